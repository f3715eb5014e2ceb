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
            stop_describe(&why, (entry_text){text, len}, entry_text_of("ann"));
            CHECK_STR(why.by, "ann");
            CHECK_STR(why.said, why.detail);
            size_t kept = strlen(why.detail) - strlen("...");
            CHECK_STR(why.detail + kept, "...");
            CHECK(kept + 3 < STOP_DETAIL_BYTES && kept + 3 + n >= STOP_DETAIL_BYTES);
            CHECK((kept - before) % n == 0 && memcmp(why.detail, text, kept) == 0);
            stop_describe(&why, (entry_text){text, STOP_DETAIL_BYTES - 1}, entry_text_of(""));
            CHECK_INT(strlen(why.detail), STOP_DETAIL_BYTES - 1); /* it has room as it is */
        }
    CHECK_INT(utf8_whole("", 0), 0);
    CHECK_INT(utf8_whole("\x82\x82\x82\x82\x82", 5), 5); /* no text: nothing to keep whole */
    CHECK_INT(utf8_whole("a\xf0", 2), 1);
}

/* Clients are not told what operators say to each other. */
static void test_told(void)
{
    static char long_text[2 * STOP_DETAIL_BYTES];
    char told[STOP_TOLD_BYTES];
    stop_cause why = {.reason = STOP_OPERATOR};
    stop_describe(&why, entry_text_of("the partner is closed"), entry_text_of("ann"));
    CHECK_STR(why.detail, "");
    stop_tell(&why, told, sizeof told);
    CHECK_STR(told, "ann has stopped the run already: the partner is closed");
    stop_describe(&why, entry_text_of(""), entry_text_of("ann"));
    stop_tell(&why, told, sizeof told);
    CHECK_STR(told, "ann has stopped the run already");
    why = (stop_cause){.reason = STOP_CRASHES};
    stop_tell(&why, told, sizeof told);
    CHECK_STR(told, "the run is stopped already (crashes)");
    memset(long_text, 'x', sizeof long_text - 1);
    for (stop_reason reason = STOP_OPERATOR; reason < STOP_REASONS; reason++) {
        why = (stop_cause){.reason = reason};
        stop_describe(&why, entry_text_of(long_text), entry_text_of(long_text)); /* a journal may hold anything */
        stop_tell(&why, told, sizeof told);
        CHECK(strlen(told) < sizeof told - 1);
        CHECK_STR(told + strlen(told) - 3, "...");
    }
}

static const check_case cases[] = {{"what is cut", test_cut}, {"what operators are told", test_told}};

CHECK_MAIN(cases)
