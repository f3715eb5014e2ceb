#include "apps/research/citations.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

enum {
    MARK_MAX = 80,    /* bytes between the brackets of a mark */
    LINK_MAX = 2048,  /* of a URL behind a mark */
    HEADING_MAX = 64, /* a longer heading is not one of a list of references */
    ENTRY_MAX = 24,   /* bytes of a line that show whether it is an entry of such a list */
    RANGE_MAX = 50,   /* "[1-999999]" is no citation of 999,999 sources */
    NUMBER_MAX = 999999
};

/* What a rule says about the text at one place. */
typedef enum verdict {
    NO,   /* it is not about this */
    MORE, /* what follows decides */
    DONE  /* it has been taken care of */
} verdict;

/* The text from the place on. */
typedef struct rest {
    const char *at;
    size_t len;
    bool last;       /* nothing follows */
    bool line_start; /* the place is a line's first */
} rest;

citations citations_new(sw_ctx *c, const int64_t *shown, size_t count)
{
    citations f = {.c = c, .shown = shown, .count = count, .cited = sw_alloc(c, count + 1)};
    return f;
}

static verdict unless_last(const rest *r) { return r->last ? NO : MORE; }

static void pass(citations *f, const char *data, size_t len)
{
    sw_text_add_bytes(f->c, &f->out, data, len);
    f->done += len;
}

/* ---- Code ---- */

static verdict at_ticks(citations *f, const rest *r)
{
    size_t n = 0;
    while (n < r->len && r->at[n] == '`') n++;
    if (n == 0) return NO;
    if (n == r->len && !r->last) return MORE;
    bool block = n >= 3 && r->line_start;
    if (f->ticks == 0) {
        f->ticks = n;
        f->fenced = block;
    } else if (f->fenced ? block && n >= f->ticks : n == f->ticks) {
        f->ticks = 0;
    }
    pass(f, r->at, n);
    return DONE;
}

/* A paragraph ends code that was never closed: a lone backtick is no code. */
static verdict at_blank_line(citations *f, const rest *r)
{
    if (f->ticks == 0 || f->fenced || r->at[0] != '\n') return NO;
    if (r->len < 2) return unless_last(r);
    if (r->at[1] == '\n') f->ticks = 0;
    return NO;
}

/* ---- Lists of references ---- */

/* The line's bytes without its end; SIZE_MAX if it goes on behind what has come. */
static size_t line_length(const rest *r)
{
    const char *end = memchr(r->at, '\n', r->len);
    return end ? (size_t)(end - r->at) : r->last ? r->len : SIZE_MAX;
}

static bool is_heading_of_list(const char *line, size_t len)
{
    static const char *const names[] = {"references", "bibliography", "works cited"};
    if (len == 0 || (*line != '#' && strncmp(line, "**", 2) != 0)) return false;
    while (len > 0 && strchr("#* \t0123456789.", *line)) line++, len--;
    while (len > 0 && strchr("#*: \t\r", line[len - 1])) len--;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == len && strncasecmp(line, names[i], len) == 0) return true;
    return false;
}

/* "[3] ...", "- [3] ...", "3. ..." or nothing at all. `len`: as much of the line as there is. */
static bool is_entry(const char *line, size_t len)
{
    size_t i = 0;
    while (i < len && strchr(" \t-*+>\r", line[i])) i++;
    if (i == len) return true;
    bool bracket = line[i] == '[';
    if (bracket) i++;
    if (bracket && i < len && line[i] == '^') i++;
    size_t digits = i;
    while (i < len && isdigit((unsigned char)line[i])) i++;
    return i > digits && i < len && (bracket ? line[i] == ']' : line[i] == '.' || line[i] == ')');
}

/* As much of a line as shows whether it is an entry; SIZE_MAX: what follows decides. */
static size_t entry_seen(const rest *r)
{
    size_t len = line_length(r);
    if (len == SIZE_MAX && r->len < ENTRY_MAX) return SIZE_MAX;
    if (len == SIZE_MAX) len = r->len;
    return len < ENTRY_MAX ? len : ENTRY_MAX;
}

/* At a line's first byte among the entries of a list: the line goes if it is one, and else the list is over. */
static verdict at_entry(citations *f, const rest *r)
{
    if (!f->in_list || !r->line_start) return NO;
    size_t len = line_length(r), seen = entry_seen(r);
    if (seen == SIZE_MAX) return MORE;
    if (!is_entry(r->at, seen)) {
        f->in_list = false;
        return NO;
    }
    if (len == SIZE_MAX) return MORE;
    f->done += len < r->len ? len + 1 : len;
    return DONE;
}

/* A heading is one of such a list only if entries follow it. */
static verdict at_heading(citations *f, const rest *r)
{
    if (!r->line_start || (r->at[0] != '#' && r->at[0] != '*')) return NO;
    if (r->at[0] == '*' && r->len > 1 && r->at[1] != '*') return NO;
    size_t len = line_length(r);
    if (len == SIZE_MAX && r->len <= HEADING_MAX) return MORE;
    if (len > HEADING_MAX || !is_heading_of_list(r->at, len)) return NO;
    size_t next = len;
    while (next < r->len && strchr("\r\n \t", r->at[next])) next++;
    const rest after = {.at = r->at + next, .len = r->len - next, .last = r->last};
    size_t seen = entry_seen(&after);
    if (seen == SIZE_MAX) return MORE;
    if (seen > 0 && !is_entry(after.at, seen)) return NO;
    f->in_list = true;
    f->done += next;
    return DONE;
}

/* "[3]: https://..." gives every [3] of the text a URL. */
static verdict at_definition(citations *f, const rest *r)
{
    if (!r->line_start || r->at[0] != '[') return NO;
    size_t i = 1;
    while (i < r->len && (isdigit((unsigned char)r->at[i]) || r->at[i] == '^')) i++;
    if (i + 1 >= r->len) return unless_last(r);
    if (i == 1 || r->at[i] != ']' || r->at[i + 1] != ':') return NO;
    size_t len = line_length(r);
    if (len == SIZE_MAX) return MORE;
    f->done += len < r->len ? len + 1 : len;
    return DONE;
}

/* ---- Marks ---- */

static void cite(citations *f, sw_text *kept, int64_t number)
{
    int64_t shown = number >= 1 && (uint64_t)number <= f->count ? f->shown[number - 1] : 0;
    if (shown == 0) {
        f->dropped++;
        return;
    }
    f->cited[number - 1] = true;
    sw_text_add(f->c, kept, "[%lld]", (long long)shown);
}

/* A number at *at, which moves behind it; -1: none. */
static int64_t read_number(const char **at, const char *end)
{
    int64_t n = -1;
    for (; *at < end && isdigit((unsigned char)**at); (*at)++)
        n = (n < 0 ? 0 : n > NUMBER_MAX ? n : n * 10) + **at - '0';
    return n;
}

static void skip(const char **at, const char *end, const char *set)
{
    while (*at < end && strchr(set, **at)) (*at)++;
}

/* A dash or an en dash. */
static bool skip_dash(const char **at, const char *end)
{
    size_t len = **at == '-' ? 1 : end - *at >= 3 && memcmp(*at, "\xE2\x80\x93", 3) == 0 ? 3 : 0;
    *at += len;
    return len > 0;
}

/* The numbers between brackets; false if anything else is there. With `kept` those that may be cited go there. */
static bool read_mark(citations *f, const char *at, const char *end, sw_text *kept)
{
    while (at < end) {
        skip(&at, end, " ^");
        int64_t from = read_number(&at, end), to = from;
        skip(&at, end, " ");
        if (from >= 0 && at < end && skip_dash(&at, end)) {
            skip(&at, end, " ");
            to = read_number(&at, end);
            skip(&at, end, " ");
        }
        if (from < 0 || to < 0 || (at < end && *at != ',' && *at != ';')) return false;
        if (kept && (to < from || to - from >= RANGE_MAX)) f->dropped++;
        for (int64_t n = from; kept && n <= to && to - from < RANGE_MAX; n++) cite(f, kept, n);
        if (at < end && ++at == end) return false;
    }
    return true;
}

/* Bytes of "(https://...)" at the place; 0: there is none, SIZE_MAX: what follows decides. */
static size_t link_length(const char *at, size_t len, bool last)
{
    if (len == 0) return last ? 0 : SIZE_MAX;
    if (*at != '(') return 0;
    const char *end = memchr(at, ')', len < LINK_MAX ? len : LINK_MAX);
    if (!end) return last || len >= LINK_MAX ? 0 : SIZE_MAX;
    const char *from = at + 1;
    skip(&from, end, " <");
    return strncasecmp(from, "http", 4) == 0 ? (size_t)(end - at) + 1 : 0;
}

/* A mark with the blanks before it, which go with it when nothing of it stays. */
static verdict at_mark(citations *f, const rest *r)
{
    size_t blanks = 0;
    while (blanks < r->len && r->at[blanks] == ' ') blanks++;
    if (blanks == r->len) return unless_last(r);
    if (r->at[blanks] != '[') return NO;
    const char *from = r->at + blanks + 1, *stop = r->at + r->len, *to = from;
    while (to < stop && (isdigit((unsigned char)*to) || strchr(" ,;^-\xE2\x80\x93", *to)) && to - from < MARK_MAX) to++;
    if (to == stop) return unless_last(r);
    if (*to != ']' || to == from || !read_mark(f, from, to, NULL)) return NO;
    size_t link = link_length(to + 1, (size_t)(stop - to) - 1, r->last);
    if (link == SIZE_MAX) return MORE;
    sw_text kept = {0};
    size_t before = f->dropped;
    (void)read_mark(f, from, to, &kept);
    if (f->dropped > before) sw_text_add(f->c, &f->dropped_marks, " [%.*s]", (int)(to - from), from);
    if (kept.len > 0) {
        sw_text_add_bytes(f->c, &f->out, r->at, blanks);
        sw_text_add_bytes(f->c, &f->out, kept.data, kept.len);
    }
    f->done += blanks + 1 + (size_t)(to - from) + 1 + link;
    return DONE;
}

/* ---- The whole ---- */

static verdict decide(citations *f, const rest *r)
{
    static verdict (*const rules[])(citations *, const rest *) = {at_entry, at_heading, at_definition, at_mark};
    verdict v = at_ticks(f, r);
    if (v == NO) v = at_blank_line(f, r);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0] && v == NO && f->ticks == 0; i++) v = rules[i](f, r);
    return v;
}

sw_bytes citations_take(citations *f, const char *data, size_t len, bool last)
{
    size_t out_before = f->out.len;
    sw_text_add_bytes(f->c, &f->in, data, len);
    while (f->done < f->in.len) {
        const char *at = f->in.data + f->done;
        const rest r = {
            .at = at, .len = f->in.len - f->done, .last = last, .line_start = f->done == 0 || at[-1] == '\n'};
        verdict v = decide(f, &r);
        if (v == MORE) break;
        if (v == NO) pass(f, at, 1);
    }
    assert(!last || f->done == f->in.len);
    return (sw_bytes){f->out.data + out_before, f->out.len - out_before};
}

const char *citations_checked(sw_ctx *c, const char *words, const int64_t *shown, size_t count)
{
    citations f = citations_new(c, shown, count);
    (void)citations_take(&f, words, strlen(words), true);
    return sw_text_str(&f.out);
}
