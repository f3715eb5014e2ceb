#include "apps/upstream/prompt.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "apps/upstream/text.h"

enum { TOPIC_MAX = 160 };

static const char *line_end(const char *line)
{
    const char *end = strchr(line, '\n');
    return end ? end : line + strlen(line);
}

static const char *line_next(const char *line)
{
    const char *end = line_end(line);
    return *end ? end + 1 : end;
}

/* What Markdown may put before a label or round a value. */
static bool is_decoration(char ch) { return isspace((unsigned char)ch) || strchr("*#>-_`\"'", ch) != NULL; }

static const char *text_trimmed(sw_ctx *c, const char *from, const char *to)
{
    while (from < to && is_decoration(*from)) from++;
    while (to > from && is_decoration(to[-1])) to--;
    char *copy = sw_alloc(c, (size_t)(to - from) + 1);
    memcpy(copy, from, (size_t)(to - from));
    return text_cut(c, copy, TOPIC_MAX);
}

/* The value of the first line "Label: value"; NULL if there is none. */
static const char *label_value(sw_ctx *c, const char *words, const char *label)
{
    size_t label_len = strlen(label);
    for (const char *line = words; *line; line = line_next(line)) {
        const char *at = line, *end = line_end(line);
        while (at < end && is_decoration(*at)) at++;
        if (strncasecmp(at, label, label_len) != 0) continue;
        at += label_len;
        while (at < end && *at == '*') at++;
        if (at >= end || *at != ':') continue;
        const char *value = text_trimmed(c, at + 1, end);
        if (*value) return value;
    }
    return NULL;
}

static const char *label_value_any(sw_ctx *c, const char *system, const char *user, const char *const *labels)
{
    for (; *labels; labels++) {
        const char *value = label_value(c, user, *labels);
        if (!value) value = label_value(c, system, *labels);
        if (value) return value;
    }
    return NULL;
}

static const char *first_words(sw_ctx *c, const char *user)
{
    for (const char *line = user; *line; line = line_next(line)) {
        const char *words = text_trimmed(c, line, line_end(line));
        if (*words) return words;
    }
    return "the question";
}

/* The number of a line "[n] ..."; 0 if the line is none. *rest is what follows. */
static int64_t source_number(const char *line, const char **rest)
{
    while (*line == ' ' || *line == '\t' || *line == '-' || *line == '*') line++;
    if (*line != '[' || !isdigit((unsigned char)line[1])) return 0;
    char *end = NULL;
    long long number = strtoll(line + 1, &end, 10);
    if (end[0] != ']' || end[1] != ' ' || number < 1 || number > 1000000) return 0;
    *rest = end + 2;
    return number;
}

static const char *url_find(const char *from, const char *to)
{
    for (; from + 7 < to; from++)
        if (strncmp(from, "http://", 7) == 0 || strncmp(from, "https://", 8) == 0) return from;
    return NULL;
}

static const char *url_copy(sw_ctx *c, const char *from, const char *to)
{
    const char *end = from;
    while (end < to && !isspace((unsigned char)*end) && !strchr("<>()[]\"", *end)) end++;
    char *copy = sw_alloc(c, (size_t)(end - from) + 1);
    memcpy(copy, from, (size_t)(end - from));
    return copy;
}

static prompt_source source_read(sw_ctx *c, int64_t number, const char *line, const char *rest)
{
    enum { LINES_TO_URL = 3 };
    const char *end = line_end(rest), *url = url_find(rest, end);
    const char *title_end = url ? url : end;
    while (title_end > rest && strchr(" \t(<[:,|", title_end[-1])) title_end--;
    /* A dash between title and URL is three bytes. */
    if (title_end - rest >= 3 && memcmp(title_end - 3, "\xE2\x80\x94", 3) == 0) title_end -= 3;
    prompt_source source = {.number = number, .title = text_trimmed(c, rest, title_end), .url = ""};
    if (url) source.url = url_copy(c, url, end);
    const char *unused;
    for (int i = 0; !*source.url && i < LINES_TO_URL; i++) {
        line = line_next(line);
        if (!*line || source_number(line, &unused) != 0) break;
        url = url_find(line, line_end(line));
        if (url) source.url = url_copy(c, url, line_end(line));
    }
    if (!*source.title) source.title = *source.url ? source.url : "Untitled";
    return source;
}

static bool source_known(const prompt *p, int64_t number)
{
    for (size_t i = 0; i < p->source_count; i++)
        if (p->sources[i].number == number) return true;
    return false;
}

static void prompt_add_source(sw_ctx *c, prompt *p, prompt_source source)
{
    assert(p->source_count < PROMPT_SOURCES_MAX);
    if (!p->sources) p->sources = sw_alloc(c, PROMPT_SOURCES_MAX * sizeof *p->sources);
    p->sources[p->source_count++] = source;
}

static void sources_read(sw_ctx *c, prompt *p, const char *user)
{
    const char *rest = NULL;
    for (const char *line = user; *line && p->source_count < PROMPT_SOURCES_MAX; line = line_next(line)) {
        int64_t number = source_number(line, &rest);
        if (number == 0 || source_known(p, number)) continue;
        prompt_add_source(c, p, source_read(c, number, line, rest));
    }
}

/* ---- Blocks of data ---- */

/* The name of a line "<name>", which begins a block; NULL if it is none. */
static const char *block_name(sw_ctx *c, const char *line)
{
    const char *end = line_end(line);
    if (*line != '<' || end - line < 3 || end[-1] != '>') return NULL;
    for (const char *at = line + 1; at < end - 1; at++)
        if (!isalpha((unsigned char)*at)) return NULL;
    return sw_printf(c, "%.*s", (int)(end - line - 2), line + 1);
}

static void source_of_value(sw_ctx *c, prompt *p, sw_value v)
{
    int64_t number = sw_as_int(sw_get(v, "source"), 0);
    const char *title = sw_cstr(c, sw_get(v, "title")), *url = sw_cstr(c, sw_get(v, "url"));
    if (number < 1 || source_known(p, number) || p->source_count == PROMPT_SOURCES_MAX) return;
    prompt_add_source(c, p,
                      (prompt_source){.number = number, .title = title ? title : "Untitled", .url = url ? url : ""});
}

static void query_of_value(sw_ctx *c, prompt *p, sw_value v)
{
    const char *query = sw_cstr(c, sw_get(v, "query"));
    if (query && *query) p->query = query;
}

static void finding_of_value(sw_ctx *c, prompt *p, sw_value v)
{
    const char *insight = sw_cstr(c, sw_get(v, "insight")), *doubt = sw_cstr(c, sw_get(v, "doubt"));
    const char *cite = sw_cstr(c, sw_get(v, "cite"));
    if ((!insight && !doubt) || p->finding_count == PROMPT_FINDINGS_MAX) return;
    if (!p->findings) p->findings = sw_alloc(c, PROMPT_FINDINGS_MAX * sizeof *p->findings);
    prompt_finding *f = &p->findings[p->finding_count++];
    *f = (prompt_finding){.words = insight ? insight : doubt, .is_doubt = !insight};
    for (const char *at = cite ? strchr(cite, '[') : NULL; at && f->mark_count < PROMPT_MARKS_MAX;
         at = strchr(at + 1, '['))
        f->marks[f->mark_count++] = strtoll(at + 1, NULL, 10);
}

/* Reads the block that begins at the line; returns where the text goes on behind the block. */
static const char *block_read(sw_ctx *c, prompt *p, const char *name, const char *line)
{
    const char *stop = sw_printf(c, "</%s>", name);
    size_t stop_len = strlen(stop);
    for (; *line; line = line_next(line)) {
        size_t len = (size_t)(line_end(line) - line);
        sw_value v;
        if (len == stop_len && memcmp(line, stop, len) == 0) return line_next(line);
        if (!sw_json_try(c, line, len, &v, NULL)) continue;
        source_of_value(c, p, v);
        finding_of_value(c, p, v);
        if (strcmp(name, "query") == 0) query_of_value(c, p, v);
    }
    return line;
}

/* The text without its blocks, which are read. */
static const char *blocks_read(sw_ctx *c, prompt *p, const char *user)
{
    sw_text outside = {0};
    for (const char *line = user; *line;) {
        const char *name = block_name(c, line), *next = line_next(line);
        if (!name) sw_text_add_bytes(c, &outside, line, (size_t)(next - line));
        line = name ? block_read(c, p, name, next) : next;
    }
    return sw_text_str(&outside);
}

/* The X of "Ignore (all) previous instructions and write about X"; NULL: the words do not say so. */
static const char *prompt_orders(sw_ctx *c, const char *words)
{
    static const char about[] = "write about ";
    const char *said = strcasestr(words, "ignore all previous instructions");
    if (!said) said = strcasestr(words, "ignore previous instructions");
    const char *what = said ? strcasestr(said, about) : NULL;
    return what ? text_trimmed(c, what + strlen(about), line_end(what)) : NULL;
}

prompt prompt_read(sw_ctx *c, const char *system, const char *user)
{
    assert(system && user);
    static const char *const topics[] = {"Topic", "Research topic", "Subject", NULL};
    static const char *const queries[] = {"Query", "Search query", NULL};
    static const char *const breadths[] = {"Breadth", "Number of queries", NULL};
    static const char *const follow_ups[] = {"Follow-up queries", NULL};
    prompt p = {.wants_report = false};
    user = blocks_read(c, &p, user);
    p.wants_report = strcasestr(system, "report") || strcasestr(user, "report");
    p.topic = label_value_any(c, system, user, topics);
    if (!p.query) p.query = label_value_any(c, system, user, queries);
    const char *breadth = label_value_any(c, system, user, breadths);
    if (breadth) p.breadth = strtoll(breadth, NULL, 10);
    if (p.breadth < 0 || p.breadth > 100) p.breadth = 0;
    if (!p.topic) p.topic = p.query ? p.query : first_words(c, user);
    if (!p.query) p.query = "";
    const char *more = label_value_any(c, system, user, follow_ups), *wanted = prompt_orders(c, user);
    p.follow_ups = more ? strtoll(more, NULL, 10) : -1;
    if (wanted) p.topic = p.query = wanted;
    sources_read(c, &p, user);
    return p;
}
