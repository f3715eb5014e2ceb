#include "runtime/observe/time_words.h"

#include <stdio.h>
#include <time.h>

const char *time_words(int64_t ms, char text[TIME_WORDS])
{
    static const struct {
        int64_t below_ms, unit_ms;
        const char *unit;
    } units[] = {{1000, 1, "ms"},
                 {INT64_C(120) * 1000, 1000, "s"},
                 {INT64_C(120) * 60000, 60000, "min"},
                 {INT64_C(48) * 3600000, 3600000, "h"},
                 {INT64_MAX, 86400000, "d"}};
    size_t i = 0;
    if (ms < 0) ms = 0;
    while (ms >= units[i].below_ms) i++;
    (void)snprintf(text, TIME_WORDS, "%lld %s", (long long)((ms + units[i].unit_ms / 2) / units[i].unit_ms),
                   units[i].unit);
    return text;
}

const char *moment_words(int64_t unix_ms, char text[TIME_WORDS])
{
    time_t at = (time_t)(unix_ms / 1000);
    struct tm parts;
    if (!gmtime_r(&at, &parts) || strftime(text, TIME_WORDS, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0) *text = 0;
    return text;
}
