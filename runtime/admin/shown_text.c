#include "runtime/admin/shown_text.h"

#include <assert.h>
#include <string.h>

#include "storage/query.h"

/* A search in what comes piece by piece. */
typedef struct search {
    const char *part;
    size_t part_len;
    char window[2 * SHOWN_PART_MAX]; /* what has come last: the part may lie across two pieces */
    size_t len;
    bool found;
} search;

static void search_put(void *arg, const char *data, size_t len)
{
    search *s = arg;
    while (len > 0 && !s->found) {
        const size_t room = sizeof s->window - s->len, taken = len < room ? len : room;
        memcpy(s->window + s->len, data, taken);
        s->len += taken;
        data += taken;
        len -= taken;
        s->found = query_contains(s->window, s->len, s->part);
        const size_t kept = s->len < s->part_len ? s->len : s->part_len - 1;
        memmove(s->window, s->window + s->len - kept, kept);
        s->len = kept;
    }
}

bool shown_text_has(const redact *hides, http_text text, const char *part)
{
    search s = {.part = part, .part_len = strlen(part)};
    assert(s.part_len >= 1 && s.part_len <= SHOWN_PART_MAX);
    redact_text_put(hides, text, search_put, &s);
    return s.found;
}

/* A part that only begins or ends in the mark has a character of the mark's ends, which quotes may stand around. */
bool shown_text_may_be_mark(const char *part)
{
    return strpbrk(part, "[]\"\\") != NULL || query_contains(REDACTED, sizeof REDACTED - 1, part);
}

/* A text beside another one that comes piece by piece. */
typedef struct comparison {
    const char *rest;
    size_t len;
    bool differs;
} comparison;

static void comparison_put(void *arg, const char *data, size_t len)
{
    comparison *c = arg;
    c->differs = c->differs || len > c->len || memcmp(c->rest, data, len) != 0;
    if (c->differs) return;
    c->rest += len;
    c->len -= len;
}

bool shown_text_is(const redact *hides, http_text text, const char *whole)
{
    comparison c = {.rest = whole, .len = strlen(whole)};
    redact_text_put(hides, text, comparison_put, &c);
    return !c.differs && c.len == 0;
}
