/* token: what lets a client ask something of one run: an HMAC-SHA256 over the run's id, the time it expires and, unless
 * it controls the run, its scope. Keeps nothing. Text form: the scope's letter, none for control; decimal Unix seconds;
 * '.'; 43 characters of base64url. A token of control is thereby the token that version 0.1 knows. */
#ifndef RUNTIME_RUN_RUN_TOKEN_H
#define RUNTIME_RUN_RUN_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/run_id.h"

enum { TOKEN_KEY_BYTES = 32, TOKEN_TEXT_MAX = 72 /* with the final zero */ };

typedef struct token_key {
    uint8_t bytes[TOKEN_KEY_BYTES];
} token_key;

/* Derives a key from the contents of a secret file of any length. */
void token_key_derive(token_key *key, const void *secret, size_t len);

/* What a token's holder may do with the run. The letters stand in texts, and in what clients are told. */
typedef enum token_scope {
    TOKEN_READ = 'r',    /* read its output and stream */
    TOKEN_CONTROL = 'c', /* that, cancel it, and release it when it is stopped */
    TOKEN_SIGNAL = 's'   /* send it one signal: reserved, none is made or taken */
} token_scope;

/* `scope`: TOKEN_READ or TOKEN_CONTROL. */
void token_make(const token_key *key, const run_id *id, token_scope scope, int64_t expires_ms,
                char out[TOKEN_TEXT_MAX]);

typedef enum token_result {
    TOKEN_OK,
    TOKEN_MALFORMED,
    TOKEN_WRONG, /* signed for another run, with another key, or altered */
    TOKEN_EXPIRED,
    TOKEN_RESERVED /* its letter is TOKEN_SIGNAL's: whether it was signed is not known */
} token_result;

/* Which scope a text claims, whether it was signed or not. */
token_scope token_scope_of(const char *text, size_t len);
/* The text has the form of a token that may be signed. */
bool token_is_formed(const char *text, size_t len);
token_result token_check(const token_key *key, const run_id *id, int64_t now_ms, const char *text, size_t len);

#endif
