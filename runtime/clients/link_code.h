/* link_code: the code that --dev logs for who comes from another machine and has no file with a token. Whoever has
 * it exchanges it, once and soon, for a token of scope admin. Both are in memory alone, as hashes: the next process
 * knows neither. From any thread. */
#ifndef RUNTIME_CLIENTS_LINK_CODE_H
#define RUNTIME_CLIENTS_LINK_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LINK_CODE_TEXT = 65, /* of a code, and of a token: 64 digits and a zero */
    LINK_CODE_MS = 600000,
    LINK_TOKEN_MS = 43200000
};

typedef struct link_code link_code;

/* Makes a code, and writes it. NULL: out of memory. `now_ms`, here and below: of the steady clock. */
link_code *link_code_new(int64_t now_ms, char code[LINK_CODE_TEXT]);
void link_code_free(link_code *l); /* NULL is fine */

/* Writes the token that the code is worth. False: that is another code, it is older than LINK_CODE_MS, or was given
 * before. */
bool link_code_exchange(link_code *l, const char *code, size_t len, int64_t now_ms, char token[LINK_CODE_TEXT]);
/* Whether the code was exchanged for this token, within LINK_TOKEN_MS. */
bool link_code_knows(link_code *l, const char *token, int64_t now_ms);

#endif
