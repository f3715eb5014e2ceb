/* Why a run stands still is told in a text that is cut between characters. */
#include "runtime/run/stop.h"
#include "runtime/base/utf8.h"
#include "tests/harness/check.h"

static void test_cut(void)
{
    static const char *const characters[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8e\xb2"};
    char text[2 * STOP_DETAIL_BYTES];
    for (size_t n = 1; n <= 4; n++)
        for (size_t before = 0; before < n; before++) {
            size_t len = before;
            memset(text, '-', before);
            for (; len + n <= sizeof text; len += n) memcpy(text + len, characters[n - 1], n);
            stop_cause why = {.reason = STOP_EXHAUSTED};
            stop_describe(&why, text, len);
            size_t kept = strlen(why.detail) - strlen("...");
            CHECK_STR(why.detail + kept, "...");
            CHECK(kept + 3 < STOP_DETAIL_BYTES && kept + 3 + n >= STOP_DETAIL_BYTES);
            CHECK((kept - before) % n == 0 && memcmp(why.detail, text, kept) == 0);
            stop_describe(&why, text, STOP_DETAIL_BYTES - 1);
            CHECK_INT(strlen(why.detail), STOP_DETAIL_BYTES - 1); /* it has room as it is */
        }
    CHECK_INT(utf8_whole("", 0), 0);
    CHECK_INT(utf8_whole("\x82\x82\x82\x82\x82", 5), 5); /* no text: nothing to keep whole */
    CHECK_INT(utf8_whole("a\xf0", 2), 1);
}

static const check_case cases[] = {{"what is cut", test_cut}};

CHECK_MAIN(cases)
