/* Fuzzes sse_parser: any bytes, cut at random, must give the events that a plain reading of the standard over the whole
 * stream gives: split into lines first, then field by field. The input's first byte seeds the cuts. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/client/sse.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { STREAM_BYTES_MAX = 4096, LOG_BYTES = 1 << 20, SMALL_BYTES_MAX = 48 };

static void require(bool is_so)
{
    if (!is_so) abort();
}

/* What was dispatched, to be compared. */
typedef struct record {
    char *text;
    size_t len;
} record;

static void note(record *log, const char *data, size_t len)
{
    require(log->len + len + 1 < LOG_BYTES);
    memcpy(log->text + log->len, data, len);
    log->text[log->len + len] = '\n';
    log->len += len + 1;
}

static void note_event(record *log, const char *event, const char *data, size_t data_len, const char *id,
                       int64_t retry_ms)
{
    char number[32];
    note(log, event, strlen(event)); /* as the caller sees it: up to a zero */
    note(log, data, data_len);
    note(log, id, strlen(id));
    int n = snprintf(number, sizeof number, "%lld", (long long)retry_ms);
    note(log, number, (size_t)n);
}

/* ---- The parser, in pieces ---- */

static sse_result feed(sse_parser *p, const char *piece, size_t len, record *log)
{
    for (;;) {
        size_t taken = 0;
        sse_event e;
        sse_result result = sse_parser_feed(p, piece, len, &taken, &e);
        require(taken <= len);
        if (result == SSE_EVENT) {
            require(taken > 0 && e.data[e.data_len] == 0);
            note_event(log, e.event, e.data, e.data_len, e.id, e.retry_ms);
        } else {
            require(result == SSE_TOO_LARGE || taken == len);
            return result;
        }
        piece += taken;
        len -= taken;
    }
}

/* Each piece is a copy of its own size, so that reading past it is seen. */
static sse_result feed_in_pieces(const char *stream, size_t len, unsigned seed, size_t bytes_max, record *log)
{
    sse_parser *p = sse_parser_new(bytes_max);
    sse_result result = SSE_MORE;
    require(p != NULL);
    for (size_t at = 0; at < len;) {
        seed = seed * 1103515245u + 12345u;
        size_t n = 1 + (seed >> 16) % 9;
        if (n > len - at) n = len - at;
        char *piece = malloc(n);
        require(piece != NULL);
        memcpy(piece, stream + at, n);
        sse_result now = feed(p, piece, n, log);
        require(result != SSE_TOO_LARGE || now == SSE_TOO_LARGE); /* it stays so */
        result = now;
        free(piece);
        at += n;
    }
    sse_parser_free(p);
    return result;
}

/* ---- The standard, read plainly ---- */

typedef struct plain {
    char data[STREAM_BYTES_MAX * 2], event[STREAM_BYTES_MAX], id[STREAM_BYTES_MAX];
    size_t data_len, event_len;
    int64_t retry_ms;
} plain;

static void plain_retry(plain *s, const char *value, size_t len)
{
    int64_t ms = 0;
    if (len == 0 || len > 15) return; /* ours: 30,000 years are enough */
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9') return;
        ms = ms * 10 + value[i] - '0';
    }
    s->retry_ms = ms;
}

static void plain_dispatch(plain *s, record *log)
{
    if (s->data_len > 0) {
        s->event[s->event_len] = 0;
        note_event(log, s->event_len > 0 ? s->event : "message", s->data, s->data_len - 1, s->id, s->retry_ms);
    }
    s->data_len = s->event_len = 0;
}

static void plain_line(plain *s, const char *line, size_t len, record *log)
{
    if (len == 0) {
        plain_dispatch(s, log);
        return;
    }
    size_t name = 0;
    while (name < len && line[name] != ':') name++;
    size_t from = name < len ? name + 1 : len;
    if (from < len && line[from] == ' ') from++;
    const char *value = line + from;
    size_t value_len = len - from;
    if (name == 4 && memcmp(line, "data", 4) == 0) {
        memcpy(s->data + s->data_len, value, value_len);
        s->data_len += value_len;
        s->data[s->data_len++] = '\n';
    } else if (name == 5 && memcmp(line, "event", 5) == 0) {
        memcpy(s->event, value, value_len);
        s->event_len = value_len;
    } else if (name == 2 && memcmp(line, "id", 2) == 0 && !memchr(value, 0, value_len)) {
        memcpy(s->id, value, value_len);
        s->id[value_len] = 0;
    } else if (name == 5 && memcmp(line, "retry", 5) == 0) {
        plain_retry(s, value, value_len);
    }
}

static void plain_read(const char *stream, size_t len, record *log)
{
    static plain s;
    s = (plain){.retry_ms = -1};
    size_t at = len >= 3 && memcmp(stream, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < len) {
        size_t end = at;
        while (end < len && stream[end] != '\r' && stream[end] != '\n') end++;
        if (end == len) return;
        plain_line(&s, stream + at, end - at, log);
        at = end + (end + 1 < len && stream[end] == '\r' && stream[end + 1] == '\n' ? 2 : 1);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static char parsed_text[LOG_BYTES], plain_text[LOG_BYTES];
    if (size < 1 || size > STREAM_BYTES_MAX) return 0;
    const char *stream = (const char *)data + 1;
    record parsed = {.text = parsed_text}, expected = {.text = plain_text};
    plain_read(stream, size - 1, &expected);
    require(feed_in_pieces(stream, size - 1, data[0], 0, &parsed) == SSE_MORE);
    require(parsed.len == expected.len && memcmp(parsed.text, expected.text, parsed.len) == 0);
    /* With a small limit: what is told before it strikes is the same. */
    parsed.len = 0;
    (void)feed_in_pieces(stream, size - 1, data[0], SMALL_BYTES_MAX, &parsed);
    require(parsed.len <= expected.len && memcmp(parsed.text, expected.text, parsed.len) == 0);
    return 0;
}
