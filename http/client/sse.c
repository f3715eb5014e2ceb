#include "http/client/sse.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { EVENT_BYTES_MAX = 4 << 20 };

typedef struct text {
    char *data; /* owned, zero-terminated; NULL before the first append */
    size_t len, cap;
} text;

struct sse_parser {
    size_t bytes_max;
    size_t bom_seen; /* how many bytes of a leading byte order mark have come; 3: no more are looked for */
    bool after_cr;   /* the last byte was a '\r': a '\n' now is a part of that line's end */
    bool has_data;   /* the event has a "data" field, perhaps an empty one */
    bool was_shown;  /* the event has been returned, and is to be dropped at the next feed */
    bool too_large;
    text line, event, data, id;
    int64_t retry_ms;
};

sse_parser *sse_parser_new(size_t event_bytes_max)
{
    sse_parser *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->bytes_max = event_bytes_max ? event_bytes_max : EVENT_BYTES_MAX;
    p->retry_ms = -1;
    return p;
}

void sse_parser_free(sse_parser *p)
{
    if (!p) return;
    free(p->line.data);
    free(p->event.data);
    free(p->data.data);
    free(p->id.data);
    free(p);
}

/* Appends to one of the event's texts. False: the event is over the limit, or there is no memory. */
static bool text_add(sse_parser *p, text *to, const char *data, size_t len)
{
    if (p->line.len + p->data.len + p->event.len + p->id.len + len > p->bytes_max) return false;
    if (to->len + len + 1 > to->cap) {
        size_t cap = (to->len + len + 1) * 2;
        char *bigger = realloc(to->data, cap);
        if (!bigger) return false;
        to->data = bigger;
        to->cap = cap;
    }
    if (len > 0) memcpy(to->data + to->len, data, len);
    to->len += len;
    assert(to->len < to->cap);
    to->data[to->len] = 0;
    return true;
}

static bool text_set(sse_parser *p, text *to, const char *data, size_t len)
{
    to->len = 0;
    return text_add(p, to, data, len);
}

static void sse_take_retry(sse_parser *p, const char *value, size_t len)
{
    int64_t ms = 0;
    if (len == 0 || len > 15) return;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9') return;
        ms = ms * 10 + (value[i] - '0');
    }
    p->retry_ms = ms;
}

static bool sse_take_field(sse_parser *p, const char *name, size_t name_len, const char *value, size_t len)
{
    if (name_len == 4 && memcmp(name, "data", 4) == 0) {
        bool first = !p->has_data;
        p->has_data = true;
        return (first || text_add(p, &p->data, "\n", 1)) && text_add(p, &p->data, value, len);
    }
    if (name_len == 5 && memcmp(name, "event", 5) == 0) return text_set(p, &p->event, value, len);
    if (name_len == 2 && memcmp(name, "id", 2) == 0)
        return memchr(value, 0, len) ? true : text_set(p, &p->id, value, len);
    if (name_len == 5 && memcmp(name, "retry", 5) == 0) sse_take_retry(p, value, len);
    return true;
}

static void sse_forget_event(sse_parser *p)
{
    p->data.len = p->event.len = 0;
    p->has_data = false;
    p->was_shown = false;
}

static const char *text_or(const text *t, const char *fallback) { return t->len > 0 ? t->data : fallback; }

/* Takes the line in p->line, which is whole. SSE_EVENT: the line was empty, and ends an event. */
static sse_result sse_end_line(sse_parser *p, sse_event *event)
{
    assert(!p->was_shown);
    assert(!p->too_large);
    const char *line = p->line.len > 0 ? p->line.data : "";
    size_t len = p->line.len;
    if (len == 0) {
        if (!p->has_data) {
            sse_forget_event(p);
            return SSE_MORE;
        }
        *event = (sse_event){.event = text_or(&p->event, "message"),
                             .data = text_or(&p->data, ""),
                             .data_len = p->data.len,
                             .id = text_or(&p->id, ""),
                             .retry_ms = p->retry_ms};
        p->was_shown = true;
        return SSE_EVENT;
    }
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon ? (size_t)(colon - line) : len;
    const char *value = colon ? colon + 1 : line + len;
    if (value < line + len && *value == ' ') value++;
    bool ok = true;
    /* The value moves from the line to a field: the line's length goes first, so that its bytes count once. */
    size_t value_len = (size_t)(line + len - value);
    p->line.len = 0;
    if (name_len > 0) ok = sse_take_field(p, line, name_len, value, value_len);
    return ok ? SSE_MORE : SSE_TOO_LARGE;
}

static size_t sse_skip_bom(sse_parser *p, const char *data, size_t len)
{
    static const char bom[3] = {'\xef', '\xbb', '\xbf'};
    size_t at = 0;
    while (p->bom_seen < 3 && at < len) {
        if (data[at] == bom[p->bom_seen]) {
            p->bom_seen++;
            at++;
            continue;
        }
        /* The bytes that looked like a byte order mark are the beginning of the first line. */
        if (p->bom_seen > 0 && !text_add(p, &p->line, bom, p->bom_seen)) p->too_large = true;
        p->bom_seen = 3;
    }
    assert(p->bom_seen <= sizeof bom);
    return at;
}

sse_result sse_parser_feed(sse_parser *p, const char *data, size_t len, size_t *taken, sse_event *event)
{
    *taken = 0;
    assert(data || len == 0);
    if (p->was_shown) sse_forget_event(p);
    size_t at = sse_skip_bom(p, data, len);
    while (at < len && !p->too_large) {
        if (p->after_cr) {
            p->after_cr = false;
            if (data[at] == '\n') {
                at++;
                continue;
            }
        }
        size_t n = 0;
        while (at + n < len && data[at + n] != '\n' && data[at + n] != '\r') n++;
        if (n > 0 && !text_add(p, &p->line, data + at, n)) p->too_large = true;
        at += n;
        if (at == len || p->too_large) continue;
        p->after_cr = data[at++] == '\r';
        assert(at <= len);
        sse_result got = sse_end_line(p, event);
        p->line.len = 0;
        if (got == SSE_TOO_LARGE) p->too_large = true;
        if (got == SSE_EVENT) {
            *taken = at;
            return SSE_EVENT;
        }
    }
    *taken = at;
    return p->too_large ? SSE_TOO_LARGE : SSE_MORE;
}
