#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runtime/flow/cron_core.h"

enum { FIELDS = 5, WORD_MAX = 32 /* bytes of a field's part that a message shows */ };

/* A field: what it is called, and its values. */
typedef struct field_kind {
    const char *name;
    int least, most;
    const char *names; /* of the values from `least` on, three letters each; NULL: it has none */
} field_kind;

static const field_kind field_kinds[FIELDS] = {
    {"minute", 0, 59, NULL},
    {"hour", 0, 23, NULL},
    {"day of the month", 1, 31, NULL},
    {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    {"day of the week", 0, 7, "sunmontuewedthufrisat"},
};

/* A part of the text that is read, and where to say what is wrong with it. */
typedef struct reading {
    const char *at, *end;
    const field_kind *kind;
    char *why;
    size_t why_size;
} reading;

static bool is_blank(char c) { return c == ' ' || c == '\t'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* What a message shows of a text of so many bytes. */
static int shown(size_t len) { return len < WORD_MAX ? (int)len : WORD_MAX; }

static bool reading_object(const reading *r, const char *what)
{
    (void)snprintf(r->why, r->why_size, "the %s \"%.*s\" %s", r->kind->name, shown((size_t)(r->end - r->at)), r->at,
                   what);
    return false;
}

/* ---- Fields ---- */

static bool read_number(const char *at, const char *end, int *out)
{
    int n = 0;
    if (at == end || end - at > 4) return false;
    for (; at < end; at++) {
        if (!is_digit(*at)) return false;
        n = n * 10 + (*at - '0');
    }
    *out = n;
    return true;
}

/* Reads a value: a number, or a name of the field's. Whether it is one; its size is not looked at. */
static bool read_value(const field_kind *kind, const char *at, const char *end, int *out)
{
    if (read_number(at, end, out)) return true;
    if (!kind->names || end - at != 3) return false;
    for (int i = 0; kind->names[i]; i += 3) {
        if (strncasecmp(at, kind->names + i, 3) != 0) continue;
        *out = kind->least + i / 3;
        return true;
    }
    return false;
}

/* Reads "*", "5", "mon" or "5-10". */
static bool read_range(const reading *r, const char *end, int *first, int *last)
{
    const char *dash = memchr(r->at, '-', (size_t)(end - r->at));
    const field_kind *kind = r->kind;
    *first = kind->least;
    *last = kind->most;
    if (end - r->at == 1 && *r->at == '*') return true;
    bool is_read = read_value(kind, r->at, dash ? dash : end, first);
    if (is_read && !dash) *last = *first;
    if (is_read && dash) is_read = read_value(kind, dash + 1, end, last);
    if (!is_read)
        return reading_object(r, kind->names ? "is no number, name of three letters, range or \"*\""
                                             : "is no number, range or \"*\"");
    if (dash && kind->most == 7 && *last == 0 && *first > 0 && !is_digit(dash[1])) *last = 7; /* "sat-sun" */
    char what[96];
    (void)snprintf(what, sizeof what, "is not from %d to %d", kind->least, kind->most);
    if (*first < kind->least || *first > kind->most || *last < kind->least || *last > kind->most)
        return reading_object(r, what);
    return *first <= *last || reading_object(r, "ends before it begins: write two ranges, with a comma between them");
}

/* Reads what stands behind a '/'. `is_one`: before it is a single value. */
static bool read_step(const reading *r, const char *slash, bool is_one, int *step)
{
    const field_kind *kind = r->kind;
    int most = kind->most - kind->least + 1;
    char what[96];
    if (kind->most == 7) most = 7;
    (void)snprintf(what, sizeof what, "has a step that is no number from 1 to %d%s", most,
                   kind == field_kinds ? ": for a longer time write \"@every 90m\"" : "");
    if (!read_number(slash + 1, r->end, step) || *step < 1 || *step > most) return reading_object(r, what);
    return !is_one || reading_object(r, "has a step without a range: write \"*\" or a range before the '/'");
}

/* Reads one part of a list, and adds its values to the set. */
static bool read_part(const reading *r, uint64_t *set)
{
    int first = 0, last = 0, step = 1;
    const char *slash = memchr(r->at, '/', (size_t)(r->end - r->at));
    if (r->at == r->end) return reading_object(r, "is empty: a list has one comma between two parts");
    if (!read_range(r, slash ? slash : r->end, &first, &last)) return false;
    bool is_all = *r->at == '*', is_one = !is_all && !memchr(r->at, '-', (size_t)(r->end - r->at));
    if (slash && !read_step(r, slash, is_one, &step)) return false;
    if (is_all && last == 7) last = 6; /* 7 is 0 again, with which a step begins */
    for (int n = first; n <= last; n += step) *set |= (uint64_t)1 << n;
    return true;
}

static bool read_field(reading *r, uint64_t *set)
{
    const char *end = r->end;
    for (*set = 0; r->at <= end; r->at = r->end + 1) {
        const char *comma = memchr(r->at, ',', (size_t)(end - r->at));
        r->end = comma ? comma : end;
        if (!read_part(r, set)) return false;
    }
    return true;
}

/* ---- "@..." ---- */

/* Reads "1h30m" and the like. 0: it is none, or too long. */
static int64_t read_duration(const char *at)
{
    static const char units[] = "dhms";
    static const int64_t seconds[] = {86400, 3600, 60, 1};
    int64_t total_s = 0;
    for (int unit = -1; *at; at++) {
        int64_t n = 0;
        const char *digits = at;
        while (is_digit(*at) && n <= CRON_EVERY_MAX_S) n = n * 10 + (*at++ - '0');
        const char *of = *at ? strchr(units, *at) : NULL;
        if (at == digits || !of || of - units <= unit || n > CRON_EVERY_MAX_S) return 0;
        unit = (int)(of - units);
        total_s += n * seconds[unit];
    }
    return total_s > CRON_EVERY_MAX_S ? 0 : total_s;
}

/* "@every 90s": an amount of time that is counted from the Unix epoch. */
static bool read_every(const char *at, cron_fields *out, char *why, size_t why_size)
{
    while (is_blank(*at)) at++;
    out->every_s = read_duration(at);
    if (out->every_s > 0) return true;
    (void)snprintf(why, why_size,
                   "\"@every\" is followed by a time from 1s to 366d: numbers with d, h, m or s behind them, the "
                   "greatest first, as in 90s or 1h30m");
    return false;
}

/* Returns what a name stands for; NULL: there is no such name. */
static const char *name_meaning(const char *name)
{
    static const char *const names[][2] = {
        {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
        {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i][0]) == 0) return names[i][1];
    return NULL;
}

/* ---- All of it ---- */

/* Cuts the text into its fields, of which it returns the number; one more than FIELDS: there are too many. */
static int cut_fields(const char *text, reading *fields)
{
    int count = 0;
    const char *at = text;
    for (;;) {
        while (is_blank(*at)) at++;
        if (!*at || count > FIELDS) return count;
        const char *begins = at;
        while (*at && !is_blank(*at)) at++;
        if (count < FIELDS) fields[count].at = begins, fields[count].end = at;
        count++;
    }
}

static bool object_count(int count, char *why, size_t why_size)
{
    const char *form = "\"minute hour day month weekday\", as in \"30 2 * * *\"";
    (void)snprintf(why, why_size, "it has %d field%s%s, and needs five: %s", count < FIELDS ? count : FIELDS + 1,
                   count == 1 ? "" : "s", count > FIELDS ? " or more" : "", form);
    return false;
}

static bool read_fields(const char *text, cron_fields *out, char *why, size_t why_size)
{
    reading fields[FIELDS];
    uint64_t *const sets[FIELDS] = {&out->minutes, &out->hours, &out->days, &out->months, &out->weekdays};
    int count = cut_fields(text, fields);
    bool has_star[FIELDS];
    if (count != FIELDS) return object_count(count, why, why_size);
    for (int i = 0; i < FIELDS; i++) {
        reading *r = &fields[i];
        has_star[i] = memchr(r->at, '*', (size_t)(r->end - r->at)) != NULL;
        r->kind = &field_kinds[i];
        r->why = why;
        r->why_size = why_size;
        if (!read_field(r, sets[i])) return false;
        assert(*sets[i]);
    }
    if (out->weekdays >> 7 & 1) out->weekdays = (out->weekdays | 1) & 0x7f;
    out->either_day = !has_star[2] && !has_star[4];
    return true;
}

/* Copies the text without the blanks around it. False: it is too long. */
static bool text_trim(const char *text, char to[CRON_TEXT_MAX + 1])
{
    size_t len = strlen(text);
    if (len > CRON_TEXT_MAX) return false;
    for (; is_blank(*text); text++) len--;
    while (len > 0 && is_blank(text[len - 1])) len--;
    memcpy(to, text, len);
    to[len] = 0;
    return true;
}

bool cron_read(const char *given, cron_fields *out, char *why, size_t why_size)
{
    static const char every[] = "@every";
    char text[CRON_TEXT_MAX + 1];
    *out = (cron_fields){.every_s = 0};
    if (!text_trim(given, text)) {
        (void)snprintf(why, why_size, "it is longer than %d bytes", CRON_TEXT_MAX);
        return false;
    }
    size_t word = sizeof every - 1;
    if (strncmp(text, every, word) == 0 && (!text[word] || is_blank(text[word])))
        return read_every(text + word, out, why, why_size);
    const char *meaning = *text == '@' ? name_meaning(text) : text;
    if (meaning) return read_fields(meaning, out, why, why_size);
    (void)snprintf(
        why, why_size,
        "there is @yearly (or @annually), @monthly, @weekly, @daily (or @midnight), @hourly, and @every with a "
        "time behind it");
    return false;
}
