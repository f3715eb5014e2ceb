#include "runtime/flow/cron.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/flow/cron_core.h"

enum {
    MONTHS_OF_CYCLE = 400 * 12, /* the calendar repeats after 400 years, weekdays included */
    YEAR_MOST = 9999,
    DAY_S = 86400
};

struct cron {
    cron_fields fields;
    zone *zone; /* owned; NULL with fields.every_s */
};

/* ---- The calendar ---- */

static bool year_is_leap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

static int month_days(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    assert(month >= 1 && month <= 12);
    return days[month - 1] + (month == 2 && year_is_leap(year));
}

/* Returns the weekday, 0 for Sunday, of a day since 1582 (Sakamoto's method). */
static int weekday_of(int64_t year, int month, int day)
{
    static const int of_month[] = {0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4};
    if (month < 3) year--;
    return (int)((year + year / 4 - year / 100 + year / 400 + of_month[month - 1] + day) % 7);
}

static bool set_has(uint64_t set, int n) { return (set >> n & 1) != 0; }

static bool day_fits(const cron_fields *f, const civil *c)
{
    bool by_day = set_has(f->days, c->day), by_weekday = set_has(f->weekdays, weekday_of(c->year, c->month, c->day));
    return f->either_day ? by_day || by_weekday : by_day && by_weekday;
}

/* Moves to the first minute of the day that fits, from c's on. False: none is left. */
static bool day_find_minute(const cron_fields *f, civil *c)
{
    for (; c->hour < 24; c->hour++, c->minute = 0) {
        uint64_t left = set_has(f->hours, c->hour) ? f->minutes >> c->minute : 0;
        if (left == 0) continue;
        c->minute += __builtin_ctzll(left);
        return true;
    }
    return false;
}

static bool month_find_minute(const cron_fields *f, civil *c)
{
    int days = set_has(f->months, c->month) ? month_days(c->year, c->month) : 0;
    for (; c->day <= days; c->day++, c->hour = c->minute = 0)
        if (day_fits(f, c) && day_find_minute(f, c)) return true;
    return false;
}

/* Moves to the first minute that fits, from c's on, by the calendar alone. Passes over months that do not fit as a
 * whole, since 29 February may be forty years away if it is to be a Sunday. False: there is none. */
static bool calendar_find(const cron_fields *f, civil *c)
{
    for (int left = MONTHS_OF_CYCLE; left >= 0 && c->year <= YEAR_MOST; left--) {
        if (month_find_minute(f, c)) return true;
        c->year += c->month == 12;
        c->month = c->month % 12 + 1;
        c->day = 1;
        c->hour = c->minute = 0;
    }
    return false;
}

/* ---- Points ---- */

static int64_t floor_to(int64_t n, int64_t step) { return n - ((n % step + step) % step); }

static int64_t every_next(int64_t every_s, int64_t after_s) { return floor_to(after_s, every_s) + every_s; }

/* Minutes that the clocks show again lead to their first time, which is over, and are passed over. */
static int64_t fields_next(const cron *c, int64_t after_s)
{
    civil at = zone_local(c->zone, after_s);
    if (at.year < 1970) at = (civil){1970, 1, 1, 0, 0};
    for (; calendar_find(&c->fields, &at); at.minute++) { /* 60 is no minute of this hour, as calendar_find sees */
        int64_t moment_s = zone_moment(c->zone, &at);
        if (moment_s > after_s) return moment_s;
    }
    return CRON_NEVER;
}

int64_t cron_next(const cron *c, int64_t after_ms)
{
    static const int64_t last_s = 253402300799;                 /* of the year 9999 */
    static const int64_t first_ms = (int64_t)DAY_S * 1000 * -1; /* no clock that was ever set right is before */
    int64_t after_s = floor_to(after_ms < first_ms ? first_ms : after_ms, 1000) / 1000;
    if (after_s >= last_s) return CRON_NEVER;
    int64_t next_s = c->fields.every_s > 0 ? every_next(c->fields.every_s, after_s) : fields_next(c, after_s);
    assert(next_s > after_s);
    return next_s > last_s ? CRON_NEVER : next_s * 1000;
}

/* By bisection: there may be a million points between the two. */
int64_t cron_newest(const cron *c, int64_t after_ms, int64_t upto_ms)
{
    if (after_ms < 0) after_ms = 0;
    if (upto_ms <= after_ms || cron_next(c, after_ms) > upto_ms) return CRON_NEVER;
    int64_t before = after_ms, behind = upto_ms; /* a point follows `before`, none that counts follows `behind` */
    while (behind - before > 1) {
        int64_t middle = before + (behind - before) / 2;
        if (cron_next(c, middle) <= upto_ms)
            before = middle;
        else
            behind = middle;
    }
    return cron_next(c, before);
}

/* ---- Making ---- */

static bool cron_fires(const cron_fields *f)
{
    civil at = {2000, 1, 1, 0, 0};
    return f->every_s > 0 || calendar_find(f, &at);
}

/* False: `why` says what is wrong. */
static bool cron_fill(cron *c, const char *text, const char *timezone, char *why, size_t why_size)
{
    const char *no_zone = NULL;
    if (!cron_read(text, &c->fields, why, why_size)) return false;
    if (!cron_fires(&c->fields)) {
        (void)snprintf(why, why_size, "it never fires: no month that it names has a day that it names");
    } else if (c->fields.every_s > 0 && timezone) {
        (void)snprintf(why, why_size, "\"@every\" goes by no local time: leave .timezone out");
    } else if (c->fields.every_s == 0 && !(c->zone = zone_new(timezone ? timezone : "UTC", &no_zone))) {
        (void)snprintf(why, why_size, ".timezone \"%.64s\": %s", timezone ? timezone : "UTC", no_zone);
    } else {
        return true;
    }
    return false;
}

cron *cron_new(const char *text, const char *timezone, char *why, size_t why_size)
{
    cron *c = calloc(1, sizeof *c);
    assert(text && why_size > 0);
    if (!c) {
        (void)snprintf(why, why_size, "out of memory");
        return NULL;
    }
    if (cron_fill(c, text, timezone, why, why_size)) return c;
    cron_free(c);
    return NULL;
}

bool cron_has_zone(const cron *c) { return c->zone != NULL; }

void cron_free(cron *c)
{
    if (!c) return;
    zone_free(c->zone);
    free(c);
}
