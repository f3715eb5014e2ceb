/* The code of a link is good once and for a while, and so is the token that it is worth. */
#include "runtime/clients/link_code.h"
#include "tests/harness/check.h"

static char code[LINK_CODE_TEXT], token[LINK_CODE_TEXT];

static void test_once(void)
{
    link_code *l = link_code_new(1000, code);
    CHECK(l && strlen(code) == LINK_CODE_TEXT - 1);
    CHECK(!link_code_knows(l, "", 1000) && !link_code_knows(l, code, 1000));
    CHECK(!link_code_exchange(l, code, LINK_CODE_TEXT - 2, 1000, token));
    CHECK(!link_code_exchange(l, "", 0, 1000, token));
    CHECK(link_code_exchange(l, code, LINK_CODE_TEXT - 1, 1000, token));
    CHECK(strcmp(code, token) != 0 && link_code_knows(l, token, 1000));
    CHECK(!link_code_knows(l, code, 1000) && !link_code_exchange(l, code, LINK_CODE_TEXT - 1, 1000, token));
    CHECK(link_code_knows(l, token, 1000)); /* a second try takes nothing from the first */
    link_code_free(l);
}

static void test_times(void)
{
    link_code *l = link_code_new(5, code);
    CHECK(l && !link_code_exchange(l, code, LINK_CODE_TEXT - 1, 5 + LINK_CODE_MS, token));
    CHECK(link_code_exchange(l, code, LINK_CODE_TEXT - 1, 4 + LINK_CODE_MS, token));
    CHECK(link_code_knows(l, token, 3 + LINK_CODE_MS + LINK_TOKEN_MS));
    CHECK(!link_code_knows(l, token, 4 + LINK_CODE_MS + LINK_TOKEN_MS));
    link_code_free(l);
    link_code_free(NULL);
}

static const check_case cases[] = {{"a code is good once", test_once}, {"code and token end", test_times}};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof *cases, argc, argv); }
