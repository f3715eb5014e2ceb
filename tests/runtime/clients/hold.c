/* How long a client is held at an output URL: by what its request shows of it, and of proxies before it. */
#include "runtime/clients/hold.h"
#include "tests/harness/check.h"

enum { MINUTE_MS = 60000 };

static int64_t held(const char *agent, const char *other, bool http11)
{
    const http_header headers[] = {{{"User-Agent", 10}, {agent, strlen(agent)}}, {{other, strlen(other)}, {"x", 1}}};
    const http_request q = {.headers = headers, .header_count = *other ? 2 : 1, .http11 = http11};
    return hold_for(&q);
}

static void test_clients(void)
{
    static const struct {
        const char *agent;
        int64_t hold_ms;
    } rows[] = {{"curl/7.88.1", 5 * MINUTE_MS},
                {"Wget/1.21.3", 10 * MINUTE_MS},
                {"Python-urllib/3.11", 15 * MINUTE_MS},
                {"python-requests/2.28.1", 5 * MINUTE_MS},
                {"Go-http-client/1.1", 15 * MINUTE_MS},
                {"Python/3.11 aiohttp/3.8.4", 15 * MINUTE_MS},
                {"Python/3.11 other/3.8.4", HOLD_USUAL_MS},
                {"Java-http-client/17.0.9", 40 * MINUTE_MS},
                {"got (https://github.com/sindresorhus/got)", 15 * MINUTE_MS},
                {"axios/1.7.2", 25 * MINUTE_MS},
                {"node", 280000},
                {"undici", 280000},
                {"libwww-perl/6.68", 170000},
                {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",
                 10 * MINUTE_MS},
                {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 "
                 "Safari/537.36",
                 10 * MINUTE_MS},
                {"Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0", 4 * MINUTE_MS},
                {"Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15",
                 HOLD_USUAL_MS},
                {"Ruby", HOLD_USUAL_MS},                /* waits a minute */
                {"python-httpx/0.23.3", HOLD_USUAL_MS}, /* five seconds: nothing helps */
                {"my-curl/1", HOLD_USUAL_MS},
                {"", HOLD_USUAL_MS}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        printf("# %s\n", rows[i].agent);
        CHECK_INT(held(rows[i].agent, "", true), rows[i].hold_ms);
        CHECK_INT(held(rows[i].agent, "", false), HOLD_PROXY_MS);
    }
    CHECK_INT(hold_for(&(http_request){.http11 = true}), HOLD_USUAL_MS);
}

static void test_proxies(void)
{
    static const char *const signs[] = {"Via",       "forwarded",      "X-Forwarded-For", "X-FORWARDED-PROTO",
                                        "x-real-ip", "CDN-Loop",       "CF-Ray",          "X-Envoy-Attempt-Count",
                                        "X-Varnish", "X-Amzn-Trace-Id"};
    static const char *const none[] = {"Accept", "Viable", "X-Forward", "Forwarded-By-Me", "X-Request-Id", "Cookie"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        printf("# %s\n", signs[i]);
        CHECK_INT(held("curl/8", signs[i], true), HOLD_PROXY_MS);
        CHECK_INT(held("Ruby", signs[i], true), HOLD_PROXY_MS);
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        printf("# %s\n", none[i]);
        CHECK_INT(held("curl/8", none[i], true), 5 * MINUTE_MS);
    }
}

/* Debian's haproxy answers 504 to what is silent for 50 s. */
static void test_patience(void) { CHECK(HOLD_PROXY_MS < 50000 && HOLD_USUAL_MS < 60000); }

static void test_flag(void)
{
    CHECK_INT(hold_at_output_ms(0, 15 * MINUTE_MS, "http://api.example.com"), 15 * MINUTE_MS);
    CHECK_INT(hold_at_output_ms(0, 15 * MINUTE_MS, ""), 15 * MINUTE_MS);
    CHECK_INT(hold_at_output_ms(0, 15 * MINUTE_MS, "HTTPS://api.example.com"), HOLD_PROXY_MS);
    CHECK_INT(hold_at_output_ms(0, HOLD_USUAL_MS, "http://x"), HOLD_USUAL_MS);
    CHECK_INT(hold_at_output_ms(0, HOLD_USUAL_MS, "https://x"), HOLD_PROXY_MS);
    CHECK_INT(hold_at_output_ms(0, 0, "http://x"), HOLD_PROXY_MS); /* a former worker's, whose request is not known */
    CHECK_INT(hold_at_output_ms(200, 15 * MINUTE_MS, "http://x"), 200);
    CHECK_INT(hold_at_output_ms(20 * MINUTE_MS, HOLD_USUAL_MS, "https://x"), 20 * MINUTE_MS);
}

static const check_case cases[] = {{"by the kind of client", test_clients},
                                   {"proxies that show themselves", test_proxies},
                                   {"below the patience of proxies", test_patience},
                                   {"--hold and https", test_flag}};
CHECK_MAIN(cases)
