/* Fuzzes sse_parser: the same events whatever the cuts. The input's first byte seeds them. */
#include <stdlib.h>
#include <string.h>

#include "http/client/sse.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { LOG_BYTES = 1 << 16 };

typedef struct record {
    char text[LOG_BYTES];
    size_t len;
} record;

static void require(int is_so)
{
    if (!is_so) abort();
}

static void note(record *log, const char *data, size_t len)
{
    require(log->len + len + 1 < LOG_BYTES);
    memcpy(log->text + log->len, data, len);
    log->text[log->len + len] = 0;
    log->len += len + 1;
}

static void parse(record *log, const char *data, size_t size, unsigned seed)
{
    sse_parser *p = sse_parser_new(256);
    sse_result result = SSE_MORE;
    require(p != NULL);
    log->len = 0;
    for (size_t at = 0, end; at < size && result != SSE_TOO_LARGE; at = end) {
        seed = seed * 1103515245u + 12345u;
        end = seed ? at + 1 + (seed >> 16) % 9 : size;
        if (end > size) end = size;
        do {
            size_t taken = 0;
            sse_event e;
            result = sse_parser_feed(p, data + at, end - at, &taken, &e);
            require(taken <= end - at);
            at += taken;
            if (result != SSE_EVENT) continue;
            note(log, e.event, strlen(e.event));
            note(log, e.data, e.data_len);
            note(log, e.id, strlen(e.id));
        } while (result == SSE_EVENT);
        require(result == SSE_TOO_LARGE || at == end);
    }
    note(log, result == SSE_TOO_LARGE ? "large" : "more", 4);
    sse_parser_free(p);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static record whole, pieces;
    if (size < 2 || size > 4096) return 0;
    /* seed * 1103515245 + 12345 is 0 for this one: uncut */
    parse(&whole, (const char *)data + 1, size - 1, 4235699843u);
    for (unsigned i = 1; i <= 3; i++) {
        parse(&pieces, (const char *)data + 1, size - 1, data[0] * 4u + i);
        require(whole.len == pieces.len && memcmp(whole.text, pieces.text, whole.len) == 0);
    }
    return 0;
}
