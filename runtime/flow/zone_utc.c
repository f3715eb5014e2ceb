/* zone_utc: what zone.cpp is in a library that was built without a C++ compiler: there is UTC alone. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/flow/zone.h"

struct zone {
    char is_utc;
};

zone *zone_new(const char *name, const char **why)
{
    *why = "this library was built without a C++ compiler, and so knows UTC alone";
    if (strcmp(name, "UTC") != 0) return NULL;
    *why = "out of memory";
    return calloc(1, sizeof(zone));
}

void zone_free(zone *z) { free(z); }

civil zone_local(const zone *z, int64_t unix_s)
{
    const time_t t = (time_t)unix_s;
    struct tm tm = {.tm_year = 70, .tm_mday = 1};
    (void)z;
    (void)gmtime_r(&t, &tm);
    return (civil){(int64_t)tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min};
}

int64_t zone_moment(const zone *z, const civil *c)
{
    struct tm tm = {.tm_year = (int)(c->year - 1900),
                    .tm_mon = c->month - 1,
                    .tm_mday = c->day,
                    .tm_hour = c->hour,
                    .tm_min = c->minute};
    (void)z;
    return (int64_t)timegm(&tm);
}
