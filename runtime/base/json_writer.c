#include "runtime/base/json_writer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/base/redact.h"

enum { NUMBER_BYTES = 24 };

_Static_assert(NUMBER_BYTES > 20, "a 64-bit number in decimal, its sign and the zero behind it");

void json_writer_init(json_writer *w, arena_cache *arenas)
{
    *w = (json_writer){.depth = 0};
    msgpack_sbuffer_init(&w->out);
    arena_init(&w->arena, arenas);
}

void json_writer_free(json_writer *w)
{
    msgpack_sbuffer_destroy(&w->out);
    arena_free(&w->arena);
}

static void writer_put(json_writer *w, const char *data, size_t len)
{
    if (len > 0 && msgpack_sbuffer_write(&w->out, data, len) != 0) w->is_short = true;
}

/* Writes what comes before a value: the comma, and the name if it has one. */
static void writer_begin(json_writer *w, const char *name)
{
    if (w->has_before) writer_put(w, ",", 1);
    w->has_before = true;
    if (!name) return;
    assert(w->depth > 0);
    assert(strcspn(name, "\"\\") == strlen(name));
    writer_put(w, "\"", 1);
    writer_put(w, name, strlen(name));
    writer_put(w, "\":", 2);
}

static void writer_open(json_writer *w, const char *name, char bracket)
{
    writer_begin(w, name);
    writer_put(w, &bracket, 1);
    w->has_before = false;
    w->depth++;
}

static void writer_close(json_writer *w, char bracket)
{
    assert(w->depth > 0);
    w->depth--;
    writer_put(w, &bracket, 1);
    w->has_before = w->depth > 0;
}

void json_open_map(json_writer *w, const char *name) { writer_open(w, name, '{'); }

void json_close_map(json_writer *w) { writer_close(w, '}'); }

void json_open_array(json_writer *w, const char *name) { writer_open(w, name, '['); }

void json_close_array(json_writer *w) { writer_close(w, ']'); }

void json_put_int(json_writer *w, const char *name, int64_t n)
{
    char text[NUMBER_BYTES];
    int len = snprintf(text, sizeof text, "%lld", (long long)n);
    assert(len > 0 && (size_t)len < sizeof text);
    writer_begin(w, name);
    writer_put(w, text, (size_t)len);
}

void json_put_bool(json_writer *w, const char *name, bool is)
{
    writer_begin(w, name);
    writer_put(w, is ? "true" : "false", is ? 4 : 5);
}

void json_put_value(json_writer *w, const char *name, msgpack_object v)
{
    writer_begin(w, name);
    bool written = redact_value(w->hides, &w->arena, &v) && json_write_to(&w->out, v);
    if (!written) w->is_short = true; /* no memory: what a journal holds is never too deep */
}

void json_put_bytes(json_writer *w, const char *name, const char *data, size_t len)
{
    msgpack_object v = {.type = MSGPACK_OBJECT_STR};
    assert(len <= UINT32_MAX);
    v.via.str.ptr = data;
    v.via.str.size = (uint32_t)len;
    writer_begin(w, name);
    if (!json_write_to(&w->out, v)) w->is_short = true;
}

void json_put_said(json_writer *w, const char *name, const char *data, size_t len)
{
    http_text said = {data, len};
    if (redact_text_in(w->hides, &w->arena, &said))
        json_put_bytes(w, name, said.data, said.len);
    else
        w->is_short = true;
}

void json_put_text(json_writer *w, const char *name, const char *text) { json_put_bytes(w, name, text, strlen(text)); }

void json_put_newline(json_writer *w)
{
    if (w->has_before) writer_put(w, ",", 1);
    w->has_before = false;
    writer_put(w, "\n", 1);
}
