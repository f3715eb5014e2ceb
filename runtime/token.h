/* token: what lets a client ask for one run's output: an HMAC-SHA256 over the run's id and the time it expires. Keeps
 * nothing. Text form: decimal Unix seconds, '.', 43 characters of base64url. */
#ifndef RUNTIME_TOKEN_H
#define RUNTIME_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "storage/run_id.h"

enum { TOKEN_KEY_BYTES = 32, TOKEN_TEXT_MAX = 72 /* with the final zero */ };

typedef struct token_key {
    uint8_t bytes[TOKEN_KEY_BYTES];
} token_key;

/* Derives a key from the contents of a secret file of any length. */
void token_key_derive(token_key *key, const void *secret, size_t len);

void token_make(const token_key *key, const run_id *id, int64_t expires_ms, char out[TOKEN_TEXT_MAX]);

typedef enum token_result {
    TOKEN_OK,
    TOKEN_MALFORMED,
    TOKEN_WRONG, /* signed for another run, with another key, or altered */
    TOKEN_EXPIRED
} token_result;

token_result token_check(const token_key *key, const run_id *id, int64_t now_ms, const char *text, size_t len);

#endif
