/* What a Prefer header asks for, however it is written and repeated (RFC 7240). */
#include "runtime/clients/prefer.h"
#include "tests/harness/check.h"

static prefer read_prefer(const char *one, const char *two)
{
    prefer p = PREFER_NOTHING;
    prefer_read(&p, one);
    prefer_read(&p, two);
    return p;
}

static void test_prefer(void)
{
    static const struct {
        const char *one, *two;
        bool async;
        int64_t wait_ms;
    } rows[] = {{"respond-async", "", true, -1},
                {"RESPOND-ASYNC , wait = 10", "", true, 10000},
                {"wait=1", "wait=2", false, 1000},
                {"", "wait=\"7\"; x", false, 7000},
                {"a=\"respond-async, wait=3\"", "", false, -1},
                {"a; respond-async", "", false, -1},
                {"respond-async-not, wait=-1, wait=1x", "wait=", false, -1},
                {"wait=0", "", false, 0},
                {"wait=99999999999999999999", "", false, PREFER_WAIT_MAX_S * 1000LL},
                {"a=\"\\\"\", respond-async", "", true, -1},
                {",,;,=,\"", "respond-async", true, -1},
                {"\"unended, respond-async", "", false, -1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        prefer p = read_prefer(rows[i].one, rows[i].two);
        printf("# %s | %s\n", rows[i].one, rows[i].two);
        CHECK_INT(p.respond_async, rows[i].async);
        CHECK_INT(p.wait_ms, rows[i].wait_ms);
    }
}

static const check_case cases[] = {{"Prefer", test_prefer}};

CHECK_MAIN(cases)
