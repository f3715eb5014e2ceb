/* Pauses before an attempt is made again: within their bounds, and as long as a service asks for. */
#include "runtime/base/retry.h"
#include "tests/harness/check.h"

enum { DAY_MS = 86400000 };

static void test_retry(void)
{
    for (uint64_t bits = 0; bits < 50; bits++) {
        uint64_t random = bits * 0x9e3779b97f4a7c15ULL;
        int64_t first = retry_backoff_ms(1, 100, 1000, random), fourth = retry_backoff_ms(4, 100, 1000, random);
        CHECK(first >= 50 && first <= 100);
        CHECK(fourth >= 400 && fourth <= 800);
        CHECK(retry_backoff_ms(60, 100, 1000, random) <= 1000);
        int64_t asked = retry_asked_ms(5000, random);
        CHECK(asked >= 5000 && asked <= 5500);
        CHECK(retry_asked_ms(INT64_MAX, random) <= DAY_MS + DAY_MS / 10);
        CHECK_INT(retry_asked_ms(0, random), 0);
    }
    const int64_t now_ms = 784111777000; /* Sun, 06 Nov 1994 08:49:37 GMT */
    CHECK_INT(retry_after_ms(NULL, NULL, now_ms), -1);
    CHECK_INT(retry_after_ms("250", "9", now_ms), 250);
    CHECK_INT(retry_after_ms(NULL, "9", now_ms), 9000);
    CHECK_INT(retry_after_ms(NULL, "Sun, 06 Nov 1994 08:49:47 GMT", now_ms), 10000);
    CHECK_INT(retry_after_ms(NULL, "soon", now_ms), -1);
    CHECK_INT(retry_after_ms(NULL, "Sun, 06 Nov 1994 08:49:27 GMT", now_ms), 0);
    CHECK_INT(retry_after_ms(NULL, "Fri, 31 Dec 9999 23:59:59 GMT", now_ms), DAY_MS);
    CHECK_INT(retry_after_ms("1.5", NULL, now_ms), 2);
    CHECK_INT(retry_after_ms("soon", "9", now_ms), 9000);
    CHECK_INT(retry_after_ms("", "", now_ms), -1);
    static const char *const garbage[] = {"-5", "0x10", "1e9", "1.2.3", ".", "nan", "inf", "5 s"};
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        CHECK_INT(retry_after_ms(garbage[i], NULL, now_ms), -1);
        CHECK_INT(retry_after_ms(NULL, garbage[i], now_ms), -1);
    }
    char huge[500];
    memset(huge, '9', sizeof huge - 1);
    huge[sizeof huge - 1] = 0;
    CHECK_INT(retry_after_ms(huge, NULL, now_ms), DAY_MS);
    CHECK_INT(retry_after_ms(NULL, huge, now_ms), DAY_MS);
}

static const check_case cases[] = {{"retries", test_retry}};

CHECK_MAIN(cases)
