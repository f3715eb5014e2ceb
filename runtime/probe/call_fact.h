/* call_fact: a call, or its answer, as bytes of a fact. */
#ifndef RUNTIME_PROBE_CALL_FACT_H
#define RUNTIME_PROBE_CALL_FACT_H

#include "http/client/client.h"
#include "runtime/base/arena.h"
#include "runtime/probe/fact.h"

typedef struct call_asked {
    const char *method, *url;   /* the URL without user and password */
    const char *const *headers; /* "Name: value", NULL-terminated; of most only the name: see call_header_shown */
    const char *key;            /* value of its Idempotency-Key header, "" if it sends none */
    uint64_t body_hash;
    size_t body_len;
} call_asked;

/* Whether values of this request header may be written to a recording. */
bool call_header_shown(const char *header);

/* Both append, and return false when memory is out. */
bool call_asked_pack(msgpack_sbuffer *to, const call_asked *q);
bool call_answer_pack(msgpack_sbuffer *to, const http_canned *answer);

/* Both read into `a`. False: memory is out, or the bytes are none. */
bool call_asked_read(arena *a, entry_text bytes, call_asked *out);
bool call_answer_read(arena *a, entry_text bytes, http_canned *out);

/* POST, PATCH and whatever else is neither safe nor, PUT and DELETE, meant to be repeated (RFC 9110, 9.2). */
bool call_is_once(const char *method);
bool call_is_idempotent(const char *method); /* PUT and DELETE */

#endif
