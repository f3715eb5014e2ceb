/* sse_parser: server-sent events out of bytes that arrive in any pieces. Owns the event that it is putting together.
 * Follows the WHATWG HTML standard, section 9.2.6: CR, LF and CRLF end lines, a leading byte order mark is skipped,
 * comments and unknown fields are ignored, an event without data or without its last empty line is never shown. */
#ifndef HTTP_CLIENT_SSE_H
#define HTTP_CLIENT_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sse_parser sse_parser;

typedef struct sse_event {
    const char *event; /* "message" if not named */
    const char *data;  /* zero-terminated, lines joined by '\n' */
    size_t data_len;
    const char *id;   /* last event id seen so far, "" if none */
    int64_t retry_ms; /* last "retry:" seen so far, -1 if none */
} sse_event;

typedef enum sse_result {
    SSE_EVENT,    /* *event is filled, and good until the next sse_parser_feed, which takes the rest */
    SSE_MORE,     /* all bytes are taken, and no event is complete */
    SSE_TOO_LARGE /* an event is over the limit, or memory is out: the parser takes nothing more */
} sse_result;

sse_parser *sse_parser_new(size_t event_bytes_max); /* 0: 4 MiB; NULL: out of memory */
void sse_parser_free(sse_parser *p);

/* Takes bytes from `data` until an event is complete, and sets *taken to their number. Call it until SSE_MORE. */
sse_result sse_parser_feed(sse_parser *p, const char *data, size_t len, size_t *taken, sse_event *event);

#endif
