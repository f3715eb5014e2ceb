/* Fuzzes request_parser: any bytes, cut at random, must give just what they give whole; and what is accepted must hold
 * what the server promises its callers. The input's first byte seeds the cuts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/server/request_parser.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { HEADERS_LENT = 4, LOG_BYTES = 1 << 16 };

static const request_limits limits = {.head_bytes_max = 512, .headers_max = 8, .body_bytes_max = 256};

static void require(int is_so)
{
    if (!is_so) abort();
}

/* What happened, as text, to be compared. */
typedef struct record {
    char text[LOG_BYTES];
    size_t len;
} record;

static void note(record *log, const char *data, size_t len)
{
    require(log->len + len + 1 < LOG_BYTES);
    memcpy(log->text + log->len, data, len);
    log->text[log->len + len] = '\n';
    log->len += len + 1;
}

static void note_text(record *log, http_text text)
{
    require(text.data[text.len] == 0); /* terminated, as promised */
    note(log, text.data, text.len);
}

static void note_request(record *log, request_parser *p, request_bytes *bytes)
{
    http_request r = {0};
    char kept = bytes->data[bytes->at];
    require(request_parser_request(p, bytes, &r));
    require(r.path.len > 0 && (r.path.data[0] == '/' || strcmp(r.path.data, "*") == 0));
    require(r.body.len <= limits.body_bytes_max && r.header_count <= limits.headers_max);
    note_text(log, r.method);
    note_text(log, r.target);
    note_text(log, r.path);
    note_text(log, r.query);
    for (size_t i = 0; i < r.header_count; i++) {
        const char *value = r.headers[i].value.data;
        require(r.headers[i].name.len > 0);
        require(!memchr(value, '\r', r.headers[i].value.len) && !memchr(value, '\n', r.headers[i].value.len) &&
                !memchr(value, 0, r.headers[i].value.len));
        note_text(log, r.headers[i].name);
        note_text(log, r.headers[i].value);
    }
    note_text(log, r.body);
    note(log, p->is_persistent ? "keep" : "close", p->is_persistent ? 4 : 5);
    bytes->data[bytes->at] = kept;
}

/* Parses until there is nothing left to feed; false when a request is refused. */
static int drain(record *log, request_parser *p, request_bytes *bytes, http_header *headers)
{
    while (bytes->at < bytes->end) {
        if (request_parser_idle(p)) {
            bytes->start = bytes->at;
            request_parser_begin(p, headers, HEADERS_LENT);
        }
        request_result result = request_parser_feed(p, bytes);
        if (result == REQUEST_COMPLETE) note_request(log, p, bytes);
        if (result == REQUEST_REFUSED) {
            /* Of several faults another one may be seen first when the head comes in pieces. */
            note(log, "refused", 7);
            require(p->status >= 400 && p->detail && *p->detail);
            return 0;
        }
        require(result == REQUEST_COMPLETE || bytes->at == bytes->end);
    }
    return 1;
}

/* `cut`: in pieces of 1 to 24 bytes, else whole. */
static void parse(record *log, const unsigned char *data, size_t size, int cut, unsigned seed)
{
    http_header headers[HEADERS_LENT];
    request_parser p;
    request_bytes bytes = {.data = malloc(1)};
    int goes_on = 1;
    require(bytes.data != NULL);
    request_parser_init(&p, &limits);
    log->len = 0;
    for (size_t at = 0; at < size && goes_on;) {
        seed = seed * 1103515245u + 12345u;
        size_t n = cut ? 1 + (seed >> 16) % 24 : size;
        if (n > size - at) n = size - at;
        /* moved each time, so that a view that was not rebased is caught */
        char *moved = malloc(bytes.end - bytes.start + n + 1);
        require(moved != NULL);
        memcpy(moved, bytes.data + bytes.start, bytes.end - bytes.start);
        if (!request_parser_idle(&p)) request_parser_rebase(&p, bytes.data + bytes.start, moved);
        free(bytes.data);
        bytes = (request_bytes){moved, 0, bytes.at - bytes.start, bytes.end - bytes.start};
        memcpy(bytes.data + bytes.end, data + at, n);
        bytes.end += n;
        at += n;
        goes_on = drain(log, &p, &bytes, headers);
        if (goes_on && request_parser_idle(&p)) bytes.start = bytes.at;
    }
    request_parser_free(&p);
    free(bytes.data);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static record whole, pieces;
    if (size < 2 || size > 4096) return 0;
    parse(&whole, data + 1, size - 1, 0, 0);
    for (unsigned i = 1; i <= 3; i++) {
        parse(&pieces, data + 1, size - 1, 1, data[0] * 4u + i);
        require(whole.len == pieces.len && memcmp(whole.text, pieces.text, whole.len) == 0);
    }
    return 0;
}
