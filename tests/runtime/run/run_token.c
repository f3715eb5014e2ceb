/* Tokens of runs: whoever has one may do with its run what the token says, and a changed one is refused. */
#include "runtime/run/run_token.h"
#include "tests/harness/check.h"

static void test_token(void)
{
    run_token_key key, other;
    run_token_key_derive(&key, "a secret of some length", 23);
    run_token_key_derive(&other, "another secret, as long", 23);
    const uint8_t random[10] = {1, 2, 3};
    run_id id = run_id_make(1700000000000, random, 0, 1), foreign = run_id_make(1700000000001, random, 0, 1);
    char text[RUN_TOKEN_TEXT_MAX], changed[RUN_TOKEN_TEXT_MAX + 8];
    const int64_t until_ms = 1800000000000;
    run_token_make(&key, &id, RUN_TOKEN_CONTROL, until_ms, text);
    size_t len = strlen(text);
    CHECK_INT(run_token_check(&key, &id, until_ms, text, len), RUN_TOKEN_OK);
    CHECK_INT(run_token_check(&key, &id, until_ms + 1000, text, len), RUN_TOKEN_EXPIRED);
    CHECK_INT(run_token_check(&key, &foreign, 0, text, len), RUN_TOKEN_WRONG);
    CHECK_INT(run_token_check(&other, &id, 0, text, len), RUN_TOKEN_WRONG);
    for (size_t i = 0; i < len; i++) {
        memcpy(changed, text, len + 1);
        changed[i] = changed[i] == '9' ? '8' : '9';
        CHECK(run_token_check(&key, &id, 0, changed, len) != RUN_TOKEN_OK);
        CHECK(run_token_check(&key, &id, 0, text, i) != RUN_TOKEN_OK);
    }
    (void)snprintf(changed, sizeof changed, "%s=", text);
    CHECK_INT(run_token_check(&key, &id, 0, changed, len + 1), RUN_TOKEN_MALFORMED);
    (void)snprintf(changed, sizeof changed, "0%s", text);
    CHECK_INT(run_token_check(&key, &id, 0, changed, len + 1), RUN_TOKEN_MALFORMED);
}

/* Each scope has tokens of its own: none becomes another's by a letter. */
static void test_token_scopes(void)
{
    run_token_key key;
    run_token_key_derive(&key, "a secret of some length", 23);
    const uint8_t random[10] = {1, 2, 3};
    run_id id = run_id_make(1700000000000, random, 0, 1);
    char control[RUN_TOKEN_TEXT_MAX], read[RUN_TOKEN_TEXT_MAX], changed[RUN_TOKEN_TEXT_MAX + 8];
    run_token_make(&key, &id, RUN_TOKEN_CONTROL, 1800000000000, control);
    run_token_make(&key, &id, RUN_TOKEN_READ, 1800000000000, read);
    CHECK_STR(control, "1800000000.CuVmGkFupmU_OY7hfaIGeYaiTgD8NIfYZqvRh4iicy8"); /* as version 0.1 made it */
    CHECK_INT(run_token_scope_of(control, strlen(control)), RUN_TOKEN_CONTROL);
    CHECK_INT(run_token_scope_of(read, strlen(read)), RUN_TOKEN_READ);
    CHECK_INT(run_token_scope_of("", 0), RUN_TOKEN_CONTROL);
    CHECK_INT(run_token_check(&key, &id, 0, read, strlen(read)), RUN_TOKEN_OK);
    CHECK_INT(run_token_check(&key, &id, 0, read + 1, strlen(read) - 1), RUN_TOKEN_WRONG);
    (void)snprintf(changed, sizeof changed, "r%s", control);
    CHECK_INT(run_token_check(&key, &id, 0, changed, strlen(changed)), RUN_TOKEN_WRONG);
    (void)snprintf(changed, sizeof changed, "c%s", control);
    CHECK_INT(run_token_check(&key, &id, 0, changed, strlen(changed)), RUN_TOKEN_MALFORMED);
    (void)snprintf(changed, sizeof changed, "s%s", control);
    CHECK_INT(run_token_check(&key, &id, 0, changed, strlen(changed)), RUN_TOKEN_MALFORMED);
    CHECK(run_token_is_formed(control, strlen(control)) && run_token_is_formed(read, strlen(read)));
    CHECK(!run_token_is_formed("rr1.", 4) && !run_token_is_formed("r", 1) &&
          !run_token_is_formed("an admin's token", 16));
}

/* The token of a question has its path, and is good for ever; the value of its form is another one, for a while. */
static void test_questions(void)
{
    run_token_key key;
    run_token_key_derive(&key, "a secret of some length", 23);
    const uint8_t random[10] = {1, 2, 3};
    run_id id = run_id_make(1700000000000, random, 0, 1), foreign = run_id_make(1700000000001, random, 0, 1);
    static const uint64_t paths[] = {1, UINT64_MAX, 1800000000, 0x0123456789abcdef};
    char text[RUN_TOKEN_TEXT_MAX], form[RUN_TOKEN_TEXT_MAX], changed[RUN_TOKEN_TEXT_MAX];
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
        run_token_make_question(&key, &id, paths[p], text);
        size_t len = strlen(text);
        CHECK(run_token_question(text, len) == paths[p] && run_token_is_formed(text, len));
        CHECK_INT(run_token_scope_of(text, len), RUN_TOKEN_SIGNAL);
        CHECK_INT(run_token_check(&key, &id, INT64_MAX, text, len), RUN_TOKEN_OK);
        CHECK_INT(run_token_check(&key, &foreign, 0, text, len), RUN_TOKEN_WRONG);
        for (size_t i = 0; i < len; i++) {
            memcpy(changed, text, len + 1);
            changed[i] = changed[i] == '0' ? '1' : '0';
            CHECK(run_token_check(&key, &id, 0, changed, len) != RUN_TOKEN_OK);
            CHECK(run_token_check(&key, &id, 0, text, i) != RUN_TOKEN_OK);
        }
        const run_token_form of = {&id, paths[p], 1800000000000}, other = {&id, paths[p] - 1, 0},
                             others = {&foreign, paths[p], 0};
        run_token_make_form(&key, &of, form);
        const http_text given = {form, strlen(form)};
        CHECK_INT(run_token_check_form(&key, &of, 1800000000999, given), RUN_TOKEN_OK);
        CHECK_INT(run_token_check_form(&key, &of, 1800000001000, given), RUN_TOKEN_EXPIRED);
        CHECK_INT(run_token_check_form(&key, &other, 0, given), RUN_TOKEN_WRONG);
        CHECK_INT(run_token_check_form(&key, &others, 0, given), RUN_TOKEN_WRONG);
        CHECK_INT(run_token_check(&key, &id, 0, form, given.len), RUN_TOKEN_WRONG);
        run_token_make(&key, &id, RUN_TOKEN_CONTROL, 1800000000000, changed);
        CHECK_INT(run_token_check_form(&key, &of, 0, (http_text){changed, strlen(changed)}), RUN_TOKEN_WRONG);
        for (size_t i = 0; i < given.len; i++)
            CHECK(run_token_check_form(&key, &of, 0, (http_text){form, i}) == RUN_TOKEN_MALFORMED);
    }
}

static const check_case cases[] = {
    {"tokens", test_token}, {"scopes of tokens", test_token_scopes}, {"questions", test_questions}};

CHECK_MAIN(cases)
