/* call_fact: a call to another service, or its answer, as the data of a fact. Owns nothing: bytes go to the caller's
 * buffer, texts to the caller's arena. Never writes a header's value that may be a secret. */
#ifndef RUNTIME_PROBE_CALL_FACT_H
#define RUNTIME_PROBE_CALL_FACT_H

#include "http/client/client.h"
#include "runtime/base/arena.h"
#include "runtime/probe/fact.h"

typedef struct call_asked {
    const char *method, *url;   /* the URL without user and password */
    const char *const *headers; /* "Name: value", NULL-terminated; see call_header_shown */
    const char *key;            /* value of its Idempotency-Key header, "" if it sends none */
    uint64_t body_hash;
    size_t body_len;
} call_asked;

/* Returns whether a recording may have the value of this request header ("Name: value"). */
bool call_header_shown(const char *header);

/* Append a call, or an answer, to `to`. False: out of memory. */
bool call_asked_pack(msgpack_sbuffer *to, const call_asked *q);
bool call_answer_pack(msgpack_sbuffer *to, const http_canned *answer);

/* Read a call, or an answer, whose texts are copied to `a`. False: out of memory, or the bytes are something else. */
bool call_asked_read(arena *a, entry_text bytes, call_asked *out);
bool call_answer_read(arena *a, entry_text bytes, http_canned *out);

/* Returns whether a repetition may do the thing twice: true of POST, PATCH and all methods that are neither safe nor
 * idempotent (RFC 9110, 9.2). */
bool call_is_once(const char *method);
bool call_is_idempotent(const char *method); /* PUT and DELETE */

#endif
