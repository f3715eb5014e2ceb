/* Fuzzes run_token_check: no bytes are read beyond the text, none but what run_token_make signed is taken, and that
 * only for its run. The first byte says how a signed token is spoiled; 0: the input is the text itself. */
#include <stdlib.h>
#include <string.h>

#include "runtime/run/run_token.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define QUESTION UINT64_C(0x0123456789abcdef)

static void require(int is_so)
{
    if (!is_so) abort();
}

static void check(const run_token_key *key, const run_id *id, const char *text, size_t len, const char *const made[3])
{
    run_token_result result = run_token_check(key, id, 0, text, len);
    int signed_here = 0;
    for (int i = 0; i < 3; i++) signed_here |= strlen(made[i]) == len && memcmp(made[i], text, len) == 0;
    require((result == RUN_TOKEN_OK) == signed_here && result != RUN_TOKEN_EXPIRED);
    require(result != RUN_TOKEN_OK || run_token_is_formed(text, len));
    uint64_t question = run_token_question(text, len);
    require(question == 0 || run_token_scope_of(text, len) == RUN_TOKEN_SIGNAL);
    require(result != RUN_TOKEN_OK || question == 0 || question == QUESTION);
    const run_token_form form = {id, QUESTION, 0};
    require(run_token_check_form(key, &form, 0, (http_text){text, len}) != RUN_TOKEN_OK);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    run_token_key key;
    run_id id = {{1, 2, 3}}, other = {{1, 2, 4}};
    char control[RUN_TOKEN_TEXT_MAX], read[RUN_TOKEN_TEXT_MAX], question[RUN_TOKEN_TEXT_MAX];
    if (size < 1) return 0;
    run_token_key_derive(&key, "the key of this fuzzer", 22);
    run_token_make(&key, &id, RUN_TOKEN_CONTROL, 1800000000000, control);
    run_token_make(&key, &id, RUN_TOKEN_READ, 1800000000000, read);
    run_token_make_question(&key, &id, QUESTION, question);
    const char *const made[3] = {control, read, question};
    char *text = malloc(size + RUN_TOKEN_TEXT_MAX); /* its end is the text's, so that reading on is seen */
    require(text != NULL);
    size_t len = size - 1;
    memcpy(text, data + 1, len);
    if (data[0] != 0) {
        const char *from = made[data[0] % 3];
        size_t keep = (data[0] / 3u) % (strlen(from) + 1);
        memmove(text + keep, text, len);
        memcpy(text, from, keep); /* a signed beginning, and any end */
        len += keep;
    }
    char *exact = malloc(len ? len : 1);
    require(exact != NULL);
    memcpy(exact, text, len);
    check(&key, &id, exact, len, made);
    require(run_token_check(&key, &other, 0, exact, len) != RUN_TOKEN_OK);
    free(exact);
    free(text);
    return 0;
}
