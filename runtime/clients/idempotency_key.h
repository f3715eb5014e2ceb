/* idempotency_key: what an Idempotency-Key header says (draft-ietf-httpapi-idempotency-key-header-08): an item of
 * structured fields (RFC 9651) that is a string; its parameters mean nothing here. A bare key, as most clients send it,
 * equals a string of the same characters. Owns nothing. */
#ifndef RUNTIME_CLIENTS_IDEMPOTENCY_KEY_H
#define RUNTIME_CLIENTS_IDEMPOTENCY_KEY_H

#include <stddef.h>

enum { IDEMPOTENCY_KEY_MAX = 255 };

typedef struct idempotency_key {
    char text[IDEMPOTENCY_KEY_MAX + 1]; /* without quotes and escapes, terminated */
    size_t len;                         /* at least 1 */
} idempotency_key;

/* Reads the header's value, which has no white space around it. NULL: *out is the key; else a text, for the sender,
 * that says why the value is none. */
const char *idempotency_key_read(idempotency_key *out, const char *value, size_t len);

#endif
