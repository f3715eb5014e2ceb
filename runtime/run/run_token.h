/* run_token: what lets a client ask something of one run: an HMAC-SHA256 over the run's id, the time the token expires
 * and, unless it controls the run, its scope. Owns nothing. Text form: the scope's letter, none for control; decimal
 * Unix seconds;
 * '.'; 43 characters of base64url. A token of control is thereby the token that version 0.1 knows. */
#ifndef RUNTIME_RUN_RUN_TOKEN_H
#define RUNTIME_RUN_RUN_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/run_id.h"

enum { RUN_TOKEN_KEY_BYTES = 32, RUN_TOKEN_TEXT_MAX = 72 /* with the final zero */ };

typedef struct run_token_key {
    uint8_t bytes[RUN_TOKEN_KEY_BYTES];
} run_token_key;

/* Derives a key from the contents of a secret file of any length. */
void run_token_key_derive(run_token_key *key, const void *secret, size_t len);

/* What a token's holder may do with the run. The letters stand in texts, and in what clients are told. */
typedef enum run_token_scope {
    RUN_TOKEN_READ = 'r',    /* read its output and stream */
    RUN_TOKEN_CONTROL = 'c', /* that, cancel it, and release it when it is stopped */
    RUN_TOKEN_SIGNAL = 's'   /* send it one signal: reserved, none is made or taken */
} run_token_scope;

/* Writes a token of scope RUN_TOKEN_READ or RUN_TOKEN_CONTROL. Without memory for libcrypto the process ends. */
void run_token_make(const run_token_key *key, const run_id *id, run_token_scope scope, int64_t expires_ms,
                    char out[RUN_TOKEN_TEXT_MAX]);

typedef enum run_token_result {
    RUN_TOKEN_OK,
    RUN_TOKEN_MALFORMED,
    RUN_TOKEN_WRONG, /* signed for another run, with another key, or altered */
    RUN_TOKEN_EXPIRED,
    RUN_TOKEN_RESERVED /* its letter is RUN_TOKEN_SIGNAL's: whether it was signed is not known */
} run_token_result;

/* Which scope a text claims, signed or not. */
run_token_scope run_token_scope_of(const char *text, size_t len);
/* Whether the text has the form of a token. */
bool run_token_is_formed(const char *text, size_t len);
run_token_result run_token_check(const run_token_key *key, const run_id *id, int64_t now_ms, const char *text,
                                 size_t len);

#endif
