/* json_writer: one JSON document, written member by member where no sw_value of the whole is wanted. Owns its text and
 * the memory for making it. Never fails in between: what finds no memory is left out, and is_short says so at the end.
 *
 *     json_open_map(&w, NULL);                 {
 *     json_put_text(&w, "state", "running");       "state":"running",
 *     json_open_array(&w, "entries");              "entries":[
 *     json_close_array(&w);                        ]
 *     json_close_map(&w);                      }
 *
 * `name` is a member's, plain ASCII without quotes; NULL: the element of an array, or the document itself. */
#ifndef RUNTIME_BASE_JSON_WRITER_H
#define RUNTIME_BASE_JSON_WRITER_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"

typedef struct json_writer {
    msgpack_sbuffer out;
    arena arena;    /* for values that are made on the way; freed with the writer */
    unsigned depth; /* arrays and maps that are open */
    const struct redact
        *hides;      /* what json_put_value and json_put_said hide; set by the caller, borrowed; NULL: nothing */
    bool has_before; /* a comma comes before the next member or element */
    bool is_short;   /* something is left out, since there was no memory: the document is not to be shown */
} json_writer;

void json_writer_init(json_writer *w, arena_cache *arenas);
void json_writer_free(json_writer *w);

void json_open_map(json_writer *w, const char *name);
void json_close_map(json_writer *w);
void json_open_array(json_writer *w, const char *name);
void json_close_array(json_writer *w);

void json_put_int(json_writer *w, const char *name, int64_t n);
void json_put_bool(json_writer *w, const char *name, bool is);
void json_put_text(json_writer *w, const char *name, const char *text);
void json_put_bytes(json_writer *w, const char *name, const char *data, size_t len); /* as a string */
/* As a string: a text that may quote what is to be hidden, such as an error. */
void json_put_said(json_writer *w, const char *name, const char *data, size_t len);
void json_put_value(json_writer *w, const char *name, msgpack_object v);

/* Begins a new line between two elements, and at the document's end. */
void json_put_newline(json_writer *w);

#endif
