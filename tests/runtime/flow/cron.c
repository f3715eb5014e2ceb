/* cron: points in time are those that the calendar and the tz data say, through each change of the clocks; what never
 * fires, or is no expression, is refused with what is wrong. */
#include "runtime/flow/cron.h"

#include <stdint.h>
#include <time.h>

#include "tests/harness/check.h"

enum { ROOM = 4096, YEARS = 3, DAY_MINUTES = 1440, ROUND_EXPRESSIONS = 8 };

static char why[512];

static cron *make(const char *text, const char *zone)
{
    cron *c = cron_new(text, zone, why, sizeof why);
    if (!c) printf("# %s: %s\n", text, why);
    CHECK(c);
    return c;
}

/* "2025-03-30T01:00Z" */
static int64_t moment(const char *text)
{
    struct tm tm = {.tm_year = atoi(text) - 1900,
                    .tm_mon = atoi(text + 5) - 1,
                    .tm_mday = atoi(text + 8),
                    .tm_hour = atoi(text + 11),
                    .tm_min = atoi(text + 14)};
    return (int64_t)timegm(&tm) * 1000;
}

static const char *shown(int64_t ms)
{
    static char text[64];
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    if (ms == CRON_NEVER || !gmtime_r(&s, &tm)) return "never";
    (void)strftime(text, sizeof text, tm.tm_sec ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%dT%H:%MZ", &tm);
    return text;
}

/* The points from `from` on are those of the list, one after the other; and each is the newest one at its time. */
static void check_points(const char *text, const char *zone, const char *from, const char *points)
{
    cron *c = make(text, zone);
    int64_t first_ms = moment(from), at_ms = first_ms;
    for (const char *p = points; *p; p += strcspn(p, " "), p += *p == ' ') {
        char expected[64];
        int64_t before_ms = at_ms;
        (void)snprintf(expected, sizeof expected, "%.*s", (int)strcspn(p, " "), p);
        at_ms = cron_next(c, at_ms);
        printf("# %s %s\n", text, zone ? zone : "-");
        CHECK_STR(shown(at_ms), expected);
        CHECK_INT(cron_next(c, at_ms - 1), at_ms);
        CHECK_INT(cron_newest(c, first_ms, at_ms), at_ms);
        CHECK_INT(cron_newest(c, before_ms, at_ms - 1), CRON_NEVER);
        CHECK_INT(cron_newest(c, at_ms, at_ms), CRON_NEVER);
    }
    cron_free(c);
}

/* The points were computed minute by minute, by Python's zoneinfo. */
static const struct {
    const char *text, *zone, *from, *points;
} nights[] = {
    {"30 2 * * *", "Europe/Berlin", "2025-03-28T12:00Z",
     "2025-03-29T01:30Z 2025-03-30T01:00Z 2025-03-31T00:30Z 2025-04-01T00:30Z"},
    {"30 2 * * *", "Europe/Berlin", "2025-10-24T12:00Z",
     "2025-10-25T00:30Z 2025-10-26T00:30Z 2025-10-27T01:30Z 2025-10-28T01:30Z"},
    {"0 3 * * *", "Europe/Berlin", "2025-03-28T12:00Z",
     "2025-03-29T02:00Z 2025-03-30T01:00Z 2025-03-31T01:00Z 2025-04-01T01:00Z"},
    {"*/20 1-3 * * *", "Europe/Berlin", "2025-03-29T22:00Z",
     "2025-03-30T00:00Z 2025-03-30T00:20Z 2025-03-30T00:40Z 2025-03-30T01:00Z 2025-03-30T01:20Z 2025-03-30T01:40Z"},
    {"*/20 1-3 * * *", "Europe/Berlin", "2025-10-25T22:00Z",
     "2025-10-25T23:00Z 2025-10-25T23:20Z 2025-10-25T23:40Z 2025-10-26T00:00Z 2025-10-26T00:20Z 2025-10-26T00:40Z "
     "2025-10-26T02:00Z 2025-10-26T02:20Z 2025-10-26T02:40Z"},
    {"15 2 * * *", "Australia/Lord_Howe", "2025-10-03T15:00Z", "2025-10-03T15:45Z 2025-10-04T15:30Z 2025-10-05T15:15Z"},
    {"45 1 * * *", "Australia/Lord_Howe", "2025-04-04T15:00Z", "2025-04-05T14:45Z 2025-04-06T15:15Z"},
    {"*/15 1-2 * * *", "Australia/Lord_Howe", "2025-04-05T12:00Z",
     "2025-04-05T14:00Z 2025-04-05T14:15Z 2025-04-05T14:30Z 2025-04-05T14:45Z 2025-04-05T15:30Z 2025-04-05T15:45Z "
     "2025-04-05T16:00Z 2025-04-05T16:15Z"},
    {"0 12 * * *", "Pacific/Apia", "2011-12-29T00:00Z",
     "2011-12-29T22:00Z 2011-12-30T10:00Z 2011-12-30T22:00Z 2011-12-31T22:00Z 2012-01-01T22:00Z"},
    {"0 12 30 12 *", "Pacific/Apia", "2010-12-31T12:00Z", "2011-12-30T10:00Z 2012-12-29T22:00Z"},
    {"0 0 * * 5", "Pacific/Apia", "2011-12-20T00:00Z", "2011-12-23T10:00Z 2011-12-30T10:00Z 2012-01-05T10:00Z"},
    {"30 1 * * *", "Antarctica/Troll", "2025-03-28T12:00Z",
     "2025-03-29T01:30Z 2025-03-30T01:00Z 2025-03-30T23:30Z 2025-03-31T23:30Z"},
    {"0 2 * * *", "Antarctica/Troll", "2025-10-24T12:00Z",
     "2025-10-25T00:00Z 2025-10-26T00:00Z 2025-10-27T02:00Z 2025-10-28T02:00Z"},
    {"30 1 * * *", "Europe/Dublin", "2025-03-28T12:00Z",
     "2025-03-29T01:30Z 2025-03-30T01:00Z 2025-03-31T00:30Z 2025-04-01T00:30Z"},
    {"30 1 * * *", "Europe/Dublin", "2025-10-24T12:00Z",
     "2025-10-25T00:30Z 2025-10-26T00:30Z 2025-10-27T01:30Z 2025-10-28T01:30Z"},
    {"0 0 * * *", "America/Sao_Paulo", "2018-11-02T12:00Z",
     "2018-11-03T03:00Z 2018-11-04T03:00Z 2018-11-05T02:00Z 2018-11-06T02:00Z"},
    {"30 23 * * *", "America/Sao_Paulo", "2019-02-15T12:00Z", "2019-02-16T01:30Z 2019-02-17T01:30Z 2019-02-18T02:30Z"},
    {"1 0 * * *", "America/St_Johns", "2006-04-01T00:00Z", "2006-04-01T03:31Z 2006-04-02T03:31Z 2006-04-03T02:31Z"},
    {"15 5 * * *", "Asia/Kathmandu", "2025-01-01T00:00Z", "2025-01-01T23:30Z 2025-01-02T23:30Z"},
    {"0 9 13 * 5", "America/New_York", "2025-05-31T00:00Z",
     "2025-06-06T13:00Z 2025-06-13T13:00Z 2025-06-20T13:00Z 2025-06-27T13:00Z"},
    {"0 0 29 2 *", "UTC", "2023-01-01T00:00Z", "2024-02-29T00:00Z 2028-02-29T00:00Z 2032-02-29T00:00Z"},
};

static void test_nights(void)
{
    for (size_t i = 0; i < sizeof nights / sizeof *nights; i++)
        check_points(nights[i].text, nights[i].zone, nights[i].from, nights[i].points);
}

static void test_words(void)
{
    check_points("@hourly", NULL, "2025-01-01T22:30Z", "2025-01-01T23:00Z 2025-01-02T00:00Z");
    check_points(" @daily \t", NULL, "2025-01-01T22:30Z", "2025-01-02T00:00Z 2025-01-03T00:00Z");
    check_points("@midnight", NULL, "2025-01-01T22:30Z", "2025-01-02T00:00Z");
    check_points("@weekly", NULL, "2025-01-01T22:30Z", "2025-01-05T00:00Z 2025-01-12T00:00Z");
    check_points("@monthly", NULL, "2025-01-01T22:30Z", "2025-02-01T00:00Z 2025-03-01T00:00Z");
    check_points("@yearly", NULL, "2025-01-01T22:30Z", "2026-01-01T00:00Z");
    check_points("@annually", NULL, "2025-01-01T22:30Z", "2026-01-01T00:00Z");
    check_points(" \t0  12 * JAN-mar mon-Fri ", NULL, "2025-03-28T13:00Z", "2025-03-31T12:00Z 2026-01-01T12:00Z");
    check_points("0 0 * * fri-sun", NULL, "2025-01-01T00:00Z", "2025-01-03T00:00Z 2025-01-04T00:00Z 2025-01-05T00:00Z");
    check_points("0 0 * * sun-sun", NULL, "2025-01-01T00:00Z", "2025-01-05T00:00Z 2025-01-12T00:00Z");
    check_points("0 0 * * sun-mon", NULL, "2025-01-01T00:00Z", "2025-01-05T00:00Z 2025-01-06T00:00Z 2025-01-12T00:00Z");
    check_points("0 0 * * 7", NULL, "2025-01-01T00:00Z", "2025-01-05T00:00Z 2025-01-12T00:00Z");
    check_points("10-30/10,55 0,23 31 * *", NULL, "2025-03-01T00:00Z",
                 "2025-03-31T00:10Z 2025-03-31T00:20Z 2025-03-31T00:30Z 2025-03-31T00:55Z 2025-03-31T23:10Z");
    /* A "*" in one of the two fields for days: a day fits both. Without one: either. */
    check_points("0 0 */10 * sun", NULL, "2025-01-01T00:00Z", "2025-05-11T00:00Z 2025-06-01T00:00Z");
    check_points("0 0 1 * sun", NULL, "2025-01-27T00:00Z", "2025-02-01T00:00Z 2025-02-02T00:00Z 2025-02-09T00:00Z");
    check_points("0 0 29 2 */7", NULL, "2025-01-01T00:00Z", "2032-02-29T00:00Z 2060-02-29T00:00Z 2088-02-29T00:00Z");
}

static void test_every(void)
{
    check_points("@every 90s", NULL, "1970-01-01T00:00Z", "1970-01-01T00:01:30Z 1970-01-01T00:03Z");
    check_points("@every 1h30m", NULL, "1970-01-01T00:00Z", "1970-01-01T01:30Z 1970-01-01T03:00Z");
    check_points("@every  2d\t ", NULL, "2025-01-01T00:00Z", "2025-01-02T00:00Z 2025-01-04T00:00Z");
    cron *c = make("@every 7s", NULL);
    for (int64_t at_ms = -20000; at_ms < 20000; at_ms += 250) {
        int64_t next_ms = cron_next(c, at_ms);
        CHECK(next_ms > at_ms && next_ms - at_ms <= 7000 && next_ms % 7000 == 0);
    }
    cron_free(c);
}

static void test_ends(void)
{
    cron *c = make("* * * * *", "Europe/Berlin");
    CHECK_INT(cron_next(c, INT64_MAX), CRON_NEVER);
    CHECK_INT(cron_next(c, INT64_MAX - 1), CRON_NEVER);
    CHECK_INT(cron_next(c, moment("9999-12-31T23:59Z")), CRON_NEVER);
    CHECK(cron_next(c, INT64_MIN) <= 0);
    CHECK_INT(cron_newest(c, INT64_MIN, moment("2025-01-01T00:00Z") + 5), moment("2025-01-01T00:00Z"));
    cron_free(c);
}

/* ---- Refusals ---- */

static const struct {
    const char *text, *zone, *why;
} refused[] = {
    {"", NULL, "it has 0 fields, and needs five"},
    {"* * * *", NULL, "it has 4 fields"},
    {"0 0 0 * * *", NULL, "it has 6 fields or more"},
    {"60 * * * *", NULL, "the minute \"60\" is not from 0 to 59"},
    {"* 24 * * *", NULL, "the hour \"24\" is not from 0 to 23"},
    {"* * 0 * *", NULL, "the day of the month \"0\" is not from 1 to 31"},
    {"* * * 13 *", NULL, "the month \"13\" is not from 1 to 12"},
    {"* * * * 8", NULL, "the day of the week \"8\" is not from 0 to 7"},
    {"* * * foo *", NULL, "the month \"foo\" is no number, name of three letters"},
    {"* * * * monday", NULL, "the day of the week \"monday\""},
    {"* * L * *", NULL, "the day of the month \"L\""},
    {"? * * * *", NULL, "the minute \"?\" is no number, range or \"*\""},
    {"-1 * * * *", NULL, "the minute \"-1\""},
    {"1- * * * *", NULL, "the minute \"1-\""},
    {"1-2-3 * * * *", NULL, "the minute \"1-2-3\""},
    {"1, * * * *", NULL, "the minute \"\" is empty"},
    {",1 * * * *", NULL, "the minute \"\" is empty"},
    {"30-10 * * * *", NULL, "the minute \"30-10\" ends before it begins"},
    {"0 0 * * 6-0", NULL, "the day of the week \"6-0\" ends before it begins"},
    {"*/0 * * * *", NULL, "the minute \"*/0\" has a step that is no number from 1 to 60"},
    {"*/90 * * * *", NULL, "write \"@every 90m\""},
    {"*/ * * * *", NULL, "the minute \"*/\" has a step"},
    {"5/15 * * * *", NULL, "the minute \"5/15\" has a step without a range"},
    {"99999999999 * * * *", NULL, "the minute \"99999999999\""},
    {"0 0 30 2 *", NULL, "it never fires"},
    {"0 0 31 2,4,6,9,11 *", NULL, "it never fires"},
    {"0 0 30,31 feb */2", NULL, "it never fires"},
    {"@reboot", NULL, "there is @yearly"},
    {"@hourly 5", NULL, "there is @yearly"},
    {"@every", NULL, "\"@every\" is followed by a time"},
    {"@every 0s", NULL, "\"@every\" is followed by a time"},
    {"@every 90", NULL, "\"@every\" is followed by a time"},
    {"@every 5m1h", NULL, "\"@every\" is followed by a time"},
    {"@every 500ms", NULL, "\"@every\" is followed by a time"},
    {"@every 367d", NULL, "\"@every\" is followed by a time"},
    {"@every 99999999999999999999s", NULL, "\"@every\" is followed by a time"},
    {"@every -5s", NULL, "\"@every\" is followed by a time"},
    {"@every 5m", "Europe/Berlin", "\"@every\" goes by no local time"},
    {"0 0 * * *", "Europe/Bärlin", ".timezone \"Europe/Bärlin\": the system's tz data has no zone of this name"},
    {"0 0 * * *", "Europe/Nowhere", ".timezone \"Europe/Nowhere\""},
    {"0 0 * * *", "", ".timezone \"\""},
    {"0 0 * * *", "/etc/localtime", ".timezone \"/etc/localtime\""},
    {"0 0 * * *", "../etc/passwd", ".timezone \"../etc/passwd\""},
    {"0 0 * * *", "localtime", ".timezone \"localtime\""},
    {"0 0 * * *", "libc:localtime", ".timezone \"libc:localtime\""},
};

static void test_refusals(void)
{
    char longest[CRON_TEXT_MAX + 2];
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        cron *c = cron_new(refused[i].text, refused[i].zone, why, sizeof why);
        printf("# %s %s\n", refused[i].text, c ? "was taken" : why);
        CHECK(!c && strstr(why, refused[i].why));
    }
    memset(longest, ' ', sizeof longest);
    memcpy(longest, "@daily", 6);
    longest[sizeof longest - 1] = 0;
    CHECK(!cron_new(longest, NULL, why, sizeof why) && strstr(why, "longer than 256 bytes"));
}

/* ---- By brute force: libc's zones, minute by minute ---- */

static uint64_t seed = 88172645463325252ULL;

static unsigned draw(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % below);
}

/* A field as text, and the values that it stands for. */
typedef struct drawn {
    char text[64];
    uint64_t set;
    bool has_star;
} drawn;

static void draw_part(drawn *f, int least, int most)
{
    char part[24];
    int first = least + (int)draw((unsigned)(most - least + 1)), last = first, step = 1;
    if (draw(2) == 0) last = first + (int)draw((unsigned)(most - first + 1));
    if (last > first && draw(3) == 0) step = 1 + (int)draw(6);
    int n = snprintf(part, sizeof part, last > first ? "%d-%d" : "%d", first, last);
    if (step > 1) (void)snprintf(part + n, sizeof part - (size_t)n, "/%d", step);
    (void)snprintf(f->text + strlen(f->text), sizeof f->text - strlen(f->text), "%s%s", *f->text ? "," : "", part);
    for (int v = first; v <= last; v += step) f->set |= (uint64_t)1 << v;
}

static void draw_field(drawn *f, int least, int most)
{
    *f = (drawn){.set = 0};
    int step = draw(2) ? 1 : 1 + (int)draw((unsigned)(most - least < 6 ? most - least : 6));
    if (draw(2)) {
        for (unsigned parts = 1 + draw(3); parts > 0; parts--) draw_part(f, least, most);
        return;
    }
    f->has_star = true;
    (void)snprintf(f->text, sizeof f->text, step > 1 ? "*/%d" : "*", step);
    for (int v = least; v <= most; v += step) f->set |= (uint64_t)1 << v;
}

typedef struct expression {
    drawn minute, hour, day, month, weekday;
} expression;

static bool has(const drawn *f, int v) { return (f->set >> v & 1) != 0; }

/* `local_minute`: as if the local time were UTC, minutes since the epoch. */
static bool fits(const expression *e, int64_t local_minute)
{
    int of_day = (int)(local_minute % DAY_MINUTES);
    if (!has(&e->minute, of_day % 60) || !has(&e->hour, of_day / 60)) return false;
    time_t s = (time_t)local_minute * 60;
    struct tm tm;
    (void)gmtime_r(&s, &tm);
    bool by_day = has(&e->day, tm.tm_mday), by_weekday = has(&e->weekday, tm.tm_wday);
    bool either = !e->day.has_star && !e->weekday.has_star;
    return has(&e->month, tm.tm_mon + 1) && (either ? by_day || by_weekday : by_day && by_weekday);
}

static int64_t local_minute_of(int64_t minute)
{
    time_t s = (time_t)minute * 60;
    struct tm tm;
    (void)localtime_r(&s, &tm);
    return (int64_t)timegm(&tm) / 60;
}

/* Walks through the years, and asks for each minute whether the local minutes that were never shown before, or were
 * left out, have one that fits. */
static void walk(const expression *e, const cron *c, int64_t from, const int64_t *local)
{
    int64_t seen = local[0], next_ms = cron_next(c, from * 60000);
    for (int64_t i = 1; i < (int64_t)YEARS * 365 * DAY_MINUTES; i++) {
        bool fires = false;
        for (; seen < local[i] && !fires; seen++) fires = fits(e, seen + 1);
        if (seen < local[i]) seen = local[i];
        if (fires) {
            CHECK_INT(next_ms, (from + i) * 60000);
            next_ms = cron_next(c, next_ms);
        } else {
            CHECK(next_ms > (from + i) * 60000);
        }
    }
}

static void check_zone(const char *zone, int64_t from)
{
    static int64_t local[YEARS * 365 * DAY_MINUTES];
    char text[512];
    (void)setenv("TZ", zone, 1);
    tzset();
    for (int64_t i = 0; i < (int64_t)(sizeof local / sizeof *local); i++) local[i] = local_minute_of(from + i);
    for (int n = 0; n < ROUND_EXPRESSIONS / (SANITIZED ? 2 : 1); n++) {
        expression e;
        draw_field(&e.minute, 0, 59);
        draw_field(&e.hour, 0, 23);
        draw_field(&e.day, 1, 31);
        draw_field(&e.month, 1, 12);
        draw_field(&e.weekday, 0, 6);
        (void)snprintf(text, sizeof text, "%s %s %s %s %s", e.minute.text, e.hour.text, e.day.text, e.month.text,
                       e.weekday.text);
        cron *c = cron_new(text, zone, why, sizeof why);
        printf("# %s %s%s%s\n", zone, text, c ? "" : ": ", c ? "" : why);
        if (!c) CHECK(strstr(why, "never fires"));
        if (c) walk(&e, c, from, local);
        cron_free(c);
    }
}

static void test_brute_force(void)
{
    static const char *const zones[] = {
        "Europe/Berlin",    "America/New_York",  "Australia/Lord_Howe", "Antarctica/Troll",
        "Europe/Dublin",    "America/Sao_Paulo", "Asia/Gaza",           "UTC",
        "Africa/Casablanca"};
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) check_zone(zones[i], moment("2016-01-01T00:00Z") / 60000);
    check_zone("Pacific/Apia", moment("2010-01-01T00:00Z") / 60000);
}

/* A hundred thousand answers take seconds at most, however rare the points are; so a loop may ask. */
static void test_rare(void)
{
    cron *rare = make("0 0 29 2 */7", "Europe/Berlin");
    int64_t ms = moment("2000-01-01T00:00Z"), sum = 0;
    for (int i = 0; i < 1000; i++) sum += cron_next(rare, ms + i) > ms;
    CHECK_INT(sum, 1000);
    CHECK_STR(shown(cron_newest(rare, ms, moment("2400-01-01T00:00Z"))), "2376-02-28T23:00Z");
    cron_free(rare);
}

static const check_case cases[] = {
    {"points go by the clocks of their zone through each change of them", test_nights},
    {"names, lists, ranges, steps and both fields for days", test_words},
    {"\"@every\" counts from the epoch", test_every},
    {"no number of a moment is too great or too small", test_ends},
    {"what is no expression, or never fires, is refused with what is wrong", test_refusals},
    {"random expressions fire when libc's clocks say so, minute by minute", test_brute_force},
    {"a point that is decades away is found", test_rare},
};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof *cases, argc, argv); }
