#include "apps/research/citations.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "apps/research/markup.h"

enum {
    MARK_MAX = 2000,  /* bytes between the brackets of a mark */
    LINK_MAX = 2048,  /* of a URL behind a mark */
    HEADING_MAX = 64, /* a longer heading is not one of a list of references */
    ENTRY_MAX = 24,   /* bytes of a line that show whether it is an entry of such a list */
    RANGE_MAX = 50,   /* "[1-999999]" is no citation of 999,999 sources */
    NUMBER_MAX = 999999,
    FENCE_LEAST = 3,      /* backticks or tildes that begin a block of code */
    FENCE_BLANKS_MAX = 3, /* before those that end it */
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
    assert(shown || count == 0);
    citations f = {.c = c, .shown = shown, .count = count, .cited = sw_alloc(c, count + 1)};
    return f;
}

static verdict unless_last(const rest *r) { return r->last ? NO : MORE; }

static void citations_pass(citations *f, const char *data, size_t len)
{
    sw_text_add_bytes(f->c, &f->out, data, len);
    f->done += len;
}

/* The line's bytes without its end; SIZE_MAX if it goes on behind what has come. */
static size_t line_length(const rest *r)
{
    const char *end = memchr(r->at, '\n', r->len);
    return end ? (size_t)(end - r->at) : r->last ? r->len : SIZE_MAX;
}

static verdict citations_drop_line(citations *f, const rest *r, size_t len)
{
    f->done += len < r->len ? len + 1 : len;
    return DONE;
}

/* ---- Code ---- */

static size_t run_length(const char *at, size_t len)
{
    size_t n = 0;
    while (n < len && at[n] == at[0]) n++;
    return n;
}

static bool is_blank(const char *at, size_t len)
{
    while (len > 0 && strchr(" \t\r", at[len - 1])) len--;
    return len == 0;
}

/* The last line of a block of code. */
static verdict at_fence_end(citations *f, const rest *r)
{
    size_t blanks = 0;
    while (r->line_start && blanks < r->len && blanks <= FENCE_BLANKS_MAX && r->at[blanks] == ' ') blanks++;
    if (!r->line_start || blanks > FENCE_BLANKS_MAX) return NO;
    if (blanks == r->len) return unless_last(r);
    if (r->at[blanks] != f->fence_char) return NO;
    size_t len = line_length(r);
    if (len == SIZE_MAX) return MORE;
    size_t n = run_length(r->at + blanks, len - blanks);
    if (n < f->fence || !is_blank(r->at + blanks + n, len - blanks - n)) return NO;
    f->fence = 0;
    citations_pass(f, r->at, len);
    return DONE;
}

/* "```markdown" round a text is no code: the model wraps its answer so, and the lines of the wrapping go. */
static bool is_wrapping(citations *f, const char *info, size_t len, size_t ticks)
{
    while (len > 0 && strchr(" \t\r", info[len - 1])) len--;
    while (len > 0 && strchr(" \t", *info)) info++, len--;
    bool opens = (len == 2 && strncasecmp(info, "md", 2) == 0) || (len == 8 && strncasecmp(info, "markdown", 8) == 0);
    bool closes = len == 0 && f->wrapped > 0 && ticks >= f->wrapped;
    if (opens) f->wrapped = ticks;
    if (closes) f->wrapped = 0;
    return opens || closes;
}

/* The line that begins a block of code. What is in an indented one is checked: its end is that of a list's item, and
 * what looks like the beginning of another may be that end. */
static verdict at_fence(citations *f, const rest *r, size_t n, size_t len)
{
    if (n < FENCE_LEAST || (r->at[0] == '`' && memchr(r->at + n, '`', len - n))) return NO;
    if (r->line_start && r->at[0] == '`' && is_wrapping(f, r->at + n, len - n, n))
        return citations_drop_line(f, r, len);
    if (r->line_start && !f->indented) {
        f->fence = n;
        f->fence_at = f->out.len;
        f->fence_char = r->at[0];
    } else if (!markup_begins_block(f->out.data, f->out.len)) {
        return NO;
    } else {
        f->indented = true;
    }
    citations_pass(f, r->at, n);
    return DONE;
}

/* Bytes of what n backticks begin in a line, and as many end; 0: nothing ends it. */
static size_t ticked_length(const char *at, size_t n, size_t len)
{
    for (size_t i = n; i < len;) {
        size_t run = at[i] == '`' ? run_length(at + i, len - i) : 0;
        if (run == n) return i + n;
        i += run > 0 ? run : 1;
    }
    return 0;
}

/* Whether what stands between backticks may be none to who shows the text: a "|" ends a cell of a table, whatever it
 * stands in, and behind it other backticks belong together; a label goes first, with some a link too. */
static bool is_torn(citations *f, const char *at, size_t len)
{
    bool acts = false;
    for (size_t i = 0; i < len && !acts; i++) acts = memchr("[]<&", at[i], 4);
    if (memchr(at, '|', len))
        f->cells_until = f->done + line_length(&(rest){.at = at, .len = f->in.len - f->done, .last = true});
    if (acts && f->done < f->cells_until) return true;
    if (memmem(at, len, "](", 2)) return true;
    return memmem(at, len, "]:", 2) && markup_ends_in_label(f->out.data, f->out.len);
}

/* Backticks that nothing in their line closes are no code, and are written so that they cannot become any. */
static verdict at_ticks(citations *f, const rest *r)
{
    if (r->at[0] != '`' && r->at[0] != '~') return NO;
    size_t n = run_length(r->at, r->len), len = line_length(r);
    if (r->at[0] == '~' && n < FENCE_LEAST && n < r->len) return NO;
    if (len == SIZE_MAX) return MORE;
    verdict v = at_fence(f, r, n, len);
    if (v != NO || r->at[0] == '~') return v;
    size_t code = ticked_length(r->at, n, len);
    if (code > 0 && !is_torn(f, r->at, code)) {
        citations_pass(f, r->at, code);
        return DONE;
    }
    for (size_t i = 0; i < n; i++) sw_text_add(f->c, &f->out, "\\`");
    f->done += n;
    return DONE;
}

/* "\`" begins no code, "\<" no HTML. */
static verdict at_backslash(citations *f, const rest *r)
{
    if (r->at[0] != '\\') return NO;
    if (r->len < 2) return unless_last(r);
    if (!memchr("`\\<&!", r->at[1], 5)) return NO;
    citations_pass(f, r->at, 2);
    return DONE;
}

/* ---- Lists of references ---- */

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
    return len == SIZE_MAX ? MORE : citations_drop_line(f, r, len);
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

/* The line of "[3]: https://...", also behind a few blanks and in a quote, is an entry of a list without a heading. */
static verdict at_definition(citations *f, const rest *r)
{
    if (!r->line_start) return NO;
    size_t i = 0;
    while (i < r->len && i < ENTRY_MAX && strchr(" >", r->at[i])) i++;
    if (i == r->len) return unless_last(r);
    if (r->at[i] != '[') return NO;
    size_t number = ++i;
    while (i < r->len && (isdigit((unsigned char)r->at[i]) || r->at[i] == '^')) i++;
    if (i + 1 >= r->len) return unless_last(r);
    if (i == number || r->at[i] != ']' || r->at[i + 1] != ':') return NO;
    size_t len = line_length(r);
    return len == SIZE_MAX ? MORE : citations_drop_line(f, r, len);
}

/* ---- Marks ---- */

static void mark_cite(citations *f, sw_text *allowed, int64_t number)
{
    int64_t shown = number >= 1 && (uint64_t)number <= f->count ? f->shown[number - 1] : 0;
    if (shown == 0) {
        f->dropped++;
        return;
    }
    f->cited[number - 1] = true;
    sw_text_add(f->c, allowed, "[%lld]", (long long)shown);
}

/* A number at *at, which moves behind it; -1: none. */
static int64_t mark_read_number(const char **at, const char *end)
{
    int64_t n = -1;
    for (; *at < end && isdigit((unsigned char)**at); (*at)++)
        n = (n < 0 ? 0 : n > NUMBER_MAX ? n : n * 10) + **at - '0';
    return n;
}

/* What may stand beside a number: "[1\\]" is shown as "[1]". */
#define BLANKS " \t\r\n\\"

static void mark_skip(const char **at, const char *end, const char *set)
{
    while (*at < end && strchr(set, **at)) (*at)++;
}

/* A dash or an en dash. */
static bool mark_skip_dash(const char **at, const char *end)
{
    size_t len = **at == '-' ? 1 : end - *at >= 3 && memcmp(*at, "\xE2\x80\x93", 3) == 0 ? 3 : 0;
    *at += len;
    return len > 0;
}

/* The numbers between brackets; false if anything else is there, or if they are an interval that begins at 0: no source
 * has that number. With `allowed` those that may be cited go there. */
static bool mark_read(citations *f, const char *at, const char *end, sw_text *allowed)
{
    size_t numbers = 0, zeros = 0;
    while (at < end) {
        mark_skip(&at, end, BLANKS "^");
        int64_t from = mark_read_number(&at, end), to = from;
        mark_skip(&at, end, BLANKS);
        if (from >= 0 && at < end && mark_skip_dash(&at, end)) {
            mark_skip(&at, end, BLANKS);
            to = mark_read_number(&at, end);
            mark_skip(&at, end, BLANKS);
        }
        if (from < 0 || to < 0 || (at < end && *at != ',' && *at != ';')) return false;
        numbers += from == to ? 1 : 2;
        zeros += from == 0 || to == 0;
        if (allowed && (to < from || to - from >= RANGE_MAX)) f->dropped++;
        for (int64_t n = from; allowed && n <= to && to - from < RANGE_MAX; n++) mark_cite(f, allowed, n);
        if (at < end && ++at == end) return false;
    }
    return zeros == 0 || numbers == 1;
}

/* Bytes of "(https://...)" at the place; 0: there is none, SIZE_MAX: what follows decides. */
static size_t link_length(const char *at, size_t len, bool last)
{
    if (len == 0) return last ? 0 : SIZE_MAX;
    if (*at != '(') return 0;
    const char *end = memchr(at, ')', len < LINK_MAX ? len : LINK_MAX);
    if (!end) return last || len >= LINK_MAX ? 0 : SIZE_MAX;
    const char *from = at + 1;
    mark_skip(&from, end, " <");
    return strncasecmp(from, "http", 4) == 0 ? (size_t)(end - at) + 1 : 0;
}

/* Whether what has come out ends like the beginning of a mark. */
static bool mark_is_open(const sw_text *out)
{
    size_t i = out->len;
    while (i > 0 && isdigit((unsigned char)out->data[i - 1])) i--;
    while (i > 0 && (isdigit((unsigned char)out->data[i - 1]) || strchr(BLANKS ",;^-", out->data[i - 1]))) i--;
    return i > 0 && out->data[i - 1] == '[';
}

/* What is too long to be looked at does not come out as a mark. */
static verdict mark_break(citations *f, const rest *r, size_t blanks)
{
    citations_pass(f, r->at, blanks + 1);
    sw_text_add(f->c, &f->out, "?");
    return DONE;
}

/* A mark with the blanks before it, which go with it when nothing of it stays. */
static verdict at_mark(citations *f, const rest *r)
{
    size_t blanks = 0;
    while (blanks < r->len && r->at[blanks] == ' ') blanks++;
    if (blanks == r->len) return unless_last(r);
    if (r->at[blanks] != '[') return NO;
    const char *from = r->at + blanks + 1, *stop = r->at + r->len, *to = from;
    while (to < stop && (isdigit((unsigned char)*to) || strchr(BLANKS ",;^-\xE2\x80\x93", *to)) && to - from < MARK_MAX)
        to++;
    if (to - from == MARK_MAX) return mark_break(f, r, blanks);
    if (to == stop) return unless_last(r);
    if (*to != ']' || to == from || !mark_read(f, from, to, NULL)) return NO;
    size_t link = link_length(to + 1, (size_t)(stop - to) - 1, r->last);
    if (link == SIZE_MAX) return MORE;
    sw_text allowed = {0};
    size_t before = f->dropped;
    (void)mark_read(f, from, to, &allowed);
    if (f->dropped > before) {
        sw_text_add(f->c, &f->dropped_marks, " ");
        sw_text_add_bytes(f->c, &f->dropped_marks, from - 1, (size_t)(to - from) + 2);
    }
    if (allowed.len > 0) {
        sw_text_add_bytes(f->c, &f->out, r->at, blanks);
        sw_text_add_bytes(f->c, &f->out, allowed.data, allowed.len);
        f->mark_end = f->out.len;
    } else if (mark_is_open(&f->out)) {
        sw_text_add(f->c, &f->out, "?"); /* "[9[2]9]" does not become "[99]" */
    } else {
        /* What stands behind it now is no more escaped than before. */
        if (!f->is_plain && markup_is_escaped(f->out.data, f->out.len)) sw_text_add(f->c, &f->out, "\\");
        f->joint = f->out.len;
    }
    f->done += blanks + 1 + (size_t)(to - from) + 1 + link;
    return DONE;
}

/* ---- Markup ---- */

static verdict at_markup(citations *f, const rest *r)
{
    if (f->is_plain || !memchr("<&!", r->at[0], 3)) return NO;
    if (r->len < MARKUP_SEEN && !r->last) return MORE;
    if (!markup_acts(r->at, r->len, mark_is_open(&f->out))) return NO;
    sw_text_add(f->c, &f->out, "\\");
    citations_pass(f, r->at, 1);
    return DONE;
}

/* "[text](javascript:...)" is no link: only those of the web are. */
static verdict at_link(citations *f, const rest *r)
{
    if (f->is_plain || r->at[0] != ']') return NO;
    if (r->len < 2) return unless_last(r);
    if (r->at[1] != '(') return NO;
    size_t seen = r->len - 2 < LINK_MAX ? r->len - 2 : LINK_MAX;
    markup_place place = markup_destination(r->at + 2, seen, r->last || seen == LINK_MAX);
    if (place == MARKUP_UNKNOWN) return MORE;
    if (place == MARKUP_WEB) return NO;
    citations_pass(f, r->at, 1);
    sw_text_add(f->c, &f->out, " ");
    return DONE;
}

/* ---- The whole ---- */

static verdict citations_decide(citations *f, const rest *r)
{
    static verdict (*const rules[])(citations *, const rest *) = {at_entry,      at_ticks, at_backslash, at_heading,
                                                                  at_definition, at_mark,  at_markup,    at_link};
    if (f->fence > 0) return at_fence_end(f, r);
    verdict v = NO;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0] && v == NO; i++) v = rules[i](f, r);
    return v;
}

/* Whether the byte would make markup of what came out last: a link of the mark that it stands behind, a destination of
 * a label, or a tag of "<" and "b", between which a mark has been taken out. */
static bool completes_markup(const citations *f, char byte, bool behind_mark)
{
    bool at_joint = f->joint > 0 && f->out.len == f->joint;
    if (at_joint && markup_joins(f->out.data[f->joint - 1], byte)) return true;
    bool may_label = !f->is_plain && (f->fence == 0 || markup_ends_in_label(f->out.data, f->fence_at));
    if (byte == ':' && may_label && markup_ends_label(f->out.data, f->out.len)) return true;
    return behind_mark && (byte == '(' || byte == '[');
}

/* A byte that no rule is about. A bracket that a mark stands in is as the mark to what is behind it. */
static void citations_pass_byte(citations *f, const char *at)
{
    bool behind_mark = f->fence == 0 && f->mark_end > 0 && f->out.len == f->mark_end;
    if (completes_markup(f, *at, behind_mark)) sw_text_add(f->c, &f->out, " ");
    citations_pass(f, at, 1);
    if (behind_mark && *at == ']') f->mark_end = f->out.len;
}

/* Code that the text ends in: what the caller adds is none. */
static void citations_close_fence(citations *f)
{
    sw_text_add(f->c, &f->out, "\n");
    for (size_t i = 0; i < f->fence; i++) sw_text_add(f->c, &f->out, "%c", f->fence_char);
    f->fence = 0;
}

/* Without carriage returns: alone they too end a line to who shows the text. */
static void citations_take_in(citations *f, const char *data, size_t len)
{
    for (const char *end = data + len, *next; data < end; data = next) {
        const char *cr = memchr(data, '\r', (size_t)(end - data));
        sw_text_add_bytes(f->c, &f->in, data, (size_t)((cr ? cr : end) - data));
        next = cr ? cr + 1 : end;
    }
}

sw_bytes citations_take(citations *f, const char *data, size_t len, bool last)
{
    size_t out_before = f->out.len;
    assert(f->done <= f->in.len);
    citations_take_in(f, data, len);
    while (f->done < f->in.len) {
        const char *at = f->in.data + f->done;
        const rest r = {
            .at = at, .len = f->in.len - f->done, .last = last, .line_start = f->done == 0 || at[-1] == '\n'};
        verdict v = citations_decide(f, &r);
        if (v == MORE) break;
        if (v == NO) citations_pass_byte(f, at);
    }
    assert(!last || f->done == f->in.len);
    if (last && f->fence > 0) citations_close_fence(f);
    return (sw_bytes){sw_text_str(&f->out) + out_before, f->out.len - out_before};
}

const char *citations_checked(sw_ctx *c, const char *words, const int64_t *shown, size_t count)
{
    citations f = citations_new(c, shown, count);
    f.is_plain = true;
    (void)citations_take(&f, words, strlen(words), true);
    return sw_text_str(&f.out);
}
