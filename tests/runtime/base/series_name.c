/* Names of series: many ids have one, none is long, and each is UTF-8 that a page can show. */
#include "runtime/base/series_name.h"

#include <stdbool.h>
#include <string.h>

#include "runtime/base/utf8.h"
#include "tests/harness/check.h"

static const char *step(const char *id)
{
    static char text[SERIES_NAME_BYTES_MAX + 1];
    text[series_name_of_step(text, id)] = 0;
    return text;
}

static const char *metric(const char *name)
{
    static char text[SERIES_NAME_BYTES_MAX + 1];
    text[series_name_of_metric(text, name)] = 0;
    return text;
}

static const char *host(const char *name)
{
    static char text[SERIES_NAME_BYTES_MAX + 1];
    text[series_name_of_host(text, name, strlen(name))] = 0;
    return text;
}

static void test_step(void)
{
    CHECK_STR(step("charge"), "charge");
    CHECK_STR(step("step-0"), "step-#");
    CHECK_STR(step("search-d17-q4"), "search-d#-q#");
    CHECK_STR(step("2026"), "#");
    CHECK_STR(step("9to5"), "#to#");
    CHECK_STR(step("pay \"now\"\\"), "pay \"now\"\\");
    CHECK_STR(step("z\xc3\xa4hlen 3"), "z\xc3\xa4hlen #");
    CHECK_STR(step("bad\xff"
                   "byte"),
              "bad?byte");
    CHECK_STR(step("cut\xc3"), "cut?");
    CHECK_STR(step("line\nend\x7f"), "line?end?");
    CHECK_STR(step("next\xc2\x85line\xc2\x9f\xc2\xa0"), "next?line?\xc2\xa0");
}

static void test_metric(void)
{
    CHECK_STR(metric("gpt-4"), "gpt-4");
    CHECK_STR(metric("cut\xc3"), "cut?");
    char text[201];
    memset(text, '7', 200);
    text[200] = 0;
    CHECK_INT(strlen(metric(text)), SERIES_NAME_BYTES_MAX);
}

static void test_host(void)
{
    CHECK_STR(host("API.Example.com:8443"), "api.example.com:8443");
    CHECK_STR(host("127.0.0.1:80"), "127.0.0.1:80");
    CHECK_STR(host("b\xfcro"), "b?ro");
    CHECK_STR(host(""), "");
}

/* Ids of any bytes. */
static void test_any(void)
{
    uint64_t state = 7;
    for (int i = 0; i < 200000; i++) {
        char id[257], name[SERIES_NAME_BYTES_MAX];
        size_t len = 0, most = (size_t)(i % 256) + 1;
        for (; len < most; len++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            static const char often[] = "ab1\xc3\xa4\xe2\x82\xac\xf0\x9f";
            id[len] = i % 2 ? often[(state >> 40) % (sizeof often - 1)] : (char)((state >> 40) % 255 + 1);
        }
        id[len] = 0;
        size_t step_len = series_name_of_step(name, id);
        CHECK(step_len > 0 && step_len <= SERIES_NAME_BYTES_MAX && utf8_is_valid(name, step_len));
        for (size_t k = 0; k < step_len; k++)
            CHECK((unsigned char)name[k] >= 0x20 && !(name[k] >= '0' && name[k] <= '9'));
        size_t host_len = series_name_of_host(name, id, len);
        CHECK(host_len > 0 && host_len <= SERIES_NAME_BYTES_MAX && utf8_is_valid(name, host_len));
    }
}

static const check_case cases[] = {{"digits of a step's id are no name", test_step},
                                   {"a name that the program gave keeps its digits", test_metric},
                                   {"a host is its own name, in lower case", test_host},
                                   {"any bytes have a short name of UTF-8", test_any}};
CHECK_MAIN(cases)
