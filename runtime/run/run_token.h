/* run_token: what lets a client ask something of one run: an HMAC-SHA256 over the run's id, the time the token expires
 * and, unless it controls the run, its scope. Owns nothing. Text form: the scope's letter, none for control; decimal
 * Unix seconds; '.'; 43 characters of base64url. A token of control is thereby the token that version 0.1 knows.
 * A token of RUN_TOKEN_SIGNAL has, in place of the time, the path of a question: 16 hexadecimal digits. */
#ifndef RUNTIME_RUN_RUN_TOKEN_H
#define RUNTIME_RUN_RUN_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/http_text.h"
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
    RUN_TOKEN_SIGNAL = 's'   /* answer one of its questions */
} run_token_scope;

/* Writes a token of scope RUN_TOKEN_READ or RUN_TOKEN_CONTROL. Without memory for libcrypto the process ends. */
void run_token_make(const run_token_key *key, const run_id *id, run_token_scope scope, int64_t expires_ms,
                    char out[RUN_TOKEN_TEXT_MAX]);

typedef enum run_token_result {
    RUN_TOKEN_OK,
    RUN_TOKEN_MALFORMED,
    RUN_TOKEN_WRONG,  /* signed for another run, with another key, or altered */
    RUN_TOKEN_EXPIRED /* never of RUN_TOKEN_SIGNAL */
} run_token_result;

/* Which scope a text claims, signed or not. */
run_token_scope run_token_scope_of(const char *text, size_t len);
/* Whether the text has the form of a token. */
bool run_token_is_formed(const char *text, size_t len);
run_token_result run_token_check(const run_token_key *key, const run_id *id, int64_t now_ms, const char *text,
                                 size_t len);

/* ---- Questions (runtime/run/question.h) ---- */

/* Writes a token of scope RUN_TOKEN_SIGNAL. */
void run_token_make_question(const run_token_key *key, const run_id *id, uint64_t path, char out[RUN_TOKEN_TEXT_MAX]);
/* Returns the path in a token of that scope; 0: the text has not its form. Whether it was signed, run_token_check says.
 */
uint64_t run_token_question(const char *text, size_t len);

/* What the page of a question has in its form, so that a form is answered that somebody has seen. */
typedef struct run_token_form {
    const run_id *run;
    uint64_t question;
    int64_t expires_ms;
} run_token_form;
void run_token_make_form(const run_token_key *key, const run_token_form *of, char out[RUN_TOKEN_TEXT_MAX]);
/* of->expires_ms is not used. */
run_token_result run_token_check_form(const run_token_key *key, const run_token_form *of, int64_t now_ms,
                                      http_text text);

#endif
