#include "runtime/base/retry.h"

#include <assert.h>
#include <curl/curl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_MS = 86400000 };

_Static_assert(RETRY_BACKOFF_MS <= RETRY_BACKOFF_MAX_MS, "the first wait is within the limit");

int64_t retry_backoff_ms(uint32_t attempt, int64_t backoff_ms, int64_t backoff_max_ms, uint64_t random_bits)
{
    assert(attempt >= 1);
    int64_t wait_ms = backoff_ms > 0 ? backoff_ms : RETRY_BACKOFF_MS;
    int64_t max_ms = backoff_max_ms > 0 ? backoff_max_ms : RETRY_BACKOFF_MAX_MS;
    for (uint32_t i = 1; i < attempt && wait_ms < max_ms; i++) wait_ms = wait_ms > max_ms / 2 ? max_ms : wait_ms * 2;
    if (wait_ms > max_ms) wait_ms = max_ms;
    int64_t half_ms = wait_ms / 2;
    assert(wait_ms > 0 && wait_ms <= max_ms);
    return half_ms + (int64_t)(random_bits % (uint64_t)(wait_ms - half_ms + 1));
}

int64_t retry_asked_ms(int64_t asked_ms, uint64_t random_bits)
{
    assert(asked_ms >= 0);
    if (asked_ms > DAY_MS) asked_ms = DAY_MS;
    return asked_ms + (int64_t)(random_bits % (uint64_t)(asked_ms / 10 + 1));
}

/* Returns the decimal number of at least zero that is all of the text; -1: it is none. */
static double number_or_negative(const char *text)
{
    if (!text || text[strspn(text, "0123456789.")] != 0 || strcspn(text, "0123456789") == strlen(text)) return -1;
    char *end;
    double n = strtod(text, &end); /* infinity for hundreds of digits */
    return *end == 0 ? n : -1;
}

int64_t retry_after_ms(const char *milliseconds, const char *retry_after, int64_t now_ms)
{
    double ms = number_or_negative(milliseconds);
    if (ms < 0) ms = number_or_negative(retry_after) * 1000;
    if (ms >= 0) return ms < DAY_MS ? (int64_t)ceil(ms) : DAY_MS;
    time_t at = retry_after ? curl_getdate(retry_after, NULL) : -1;
    if (at < 0) return -1;
    int64_t left_ms = (int64_t)at * 1000 - now_ms;
    return left_ms < 0 ? 0 : left_ms < DAY_MS ? left_ms : DAY_MS;
}
