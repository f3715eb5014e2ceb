#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http/rfc_token.h"
#include "http/server/server_core.h"
#include "http/server/status.h"

enum {
    HEAD_BYTES_FIXED = 256, /* the status line and the headers that are the server's own, without Server */
    BODY_COPY_BYTES = 4096  /* a body up to this is cheaper to copy behind the head than to send as a second part */
};

_Static_assert((int)STATUS_LINE_BYTES_MAX + (int)SERVER_DATE_BYTES + 96 <= HEAD_BYTES_FIXED,
               "status line, Date, Content-Length with 20 digits, Connection and the empty line fit");
_Static_assert((int)CONN_PARTS_MAX >= 3, "a chunk is sent as its size, its data and CRLF");

/* How the end of a reply's body is found. */
typedef enum body_kind { BODY_SIZED, BODY_CHUNKED, BODY_UNTIL_CLOSE, BODY_NONE } body_kind;

typedef struct reply_head {
    int status;
    const http_reply_header *headers;
    size_t count;
    body_kind kind;
    size_t body_len; /* of BODY_SIZED */
} reply_head;

bool http_header_valid(const char *name, const char *value)
{
    return is_rfc_token(name, strlen(name)) && is_rfc_field_value(value, strlen(value));
}

/* Whether only the server may send this header. Obeys `Connection: close`. */
static bool header_is_servers_own(http_conn *c, const http_reply_header *h, size_t name_len)
{
    switch (name_len) {
    case 4:
        return text_equals_any_case(h->name, 4, "Date", 4);
    case 10:
        if (text_equals_any_case(h->name, 10, "Keep-Alive", 10)) return true;
        if (!text_equals_any_case(h->name, 10, "Connection", 10)) return false;
        if (strcasecmp(h->value, "close") == 0) c->is_persistent = false;
        return true;
    case 14:
        return text_equals_any_case(h->name, 14, "Content-Length", 14);
    case 17:
        return text_equals_any_case(h->name, 17, "Transfer-Encoding", 17);
    default:
        return false;
    }
}

static char *text_put_number(char *to, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);
    do digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    return text_put(to, digits + at, sizeof(digits) - at);
}

static size_t headers_bound(const http_reply_header *headers, size_t count)
{
    size_t bound = 0;
    for (size_t i = 0; i < count; i++) bound += strlen(headers[i].name) + strlen(headers[i].value) + 4;
    return bound;
}

static size_t reply_head_bound(const http_conn *c, const reply_head *h)
{
    const http_policy *policy = &c->exchange.policy;
    return HEAD_BYTES_FIXED + c->server->server_header_len + headers_bound(h->headers, h->count) +
           headers_bound(policy->headers, policy->count);
}

static char *reply_put_header(char *to, const http_reply_header *h, size_t name_len)
{
    assert(http_header_valid(h->name, h->value)); /* the owner's duty: CR or LF from a client would split the reply */
    to = text_put(to, h->name, name_len);
    to = text_put(to, ": ", 2);
    to = text_put(to, h->value, strlen(h->value));
    return text_put(to, "\r\n", 2);
}

static bool headers_have(const http_reply_header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(headers[i].name, name) == 0) return true;
    }
    return false;
}

static char *reply_put_headers(http_conn *c, char *to, const http_reply_header *headers, size_t count)
{
    const http_policy *policy = &c->exchange.policy;
    for (size_t i = 0; i < count; i++) {
        size_t name_len = strlen(headers[i].name);
        if (!header_is_servers_own(c, &headers[i], name_len)) to = reply_put_header(to, &headers[i], name_len);
    }
    for (size_t i = 0; i < policy->count; i++) {
        const http_reply_header *h = &policy->headers[i];
        if (strcasecmp(h->name, "Vary") == 0 || !headers_have(headers, count, h->name))
            to = reply_put_header(to, h, strlen(h->name));
    }
    return to;
}

#define PUT_TEXT(to, text) text_put((to), (text), sizeof(text) - 1)

/* Writes the head to `to`, which has reply_head_bound() bytes, and returns its end. Decides whether the connection goes
 * on behind the reply. */
static char *reply_put_head(http_conn *c, char *to, const reply_head *h)
{
    http_server *s = c->server;
    assert(h->kind == BODY_SIZED || h->body_len == 0);
    to = status_line(to, h->status);
    to = text_put(to, server_date(s), SERVER_DATE_BYTES - 1);
    to = text_put(to, s->server_header ? s->server_header : "", s->server_header_len);
    to = reply_put_headers(c, to, h->headers, h->count);
    if (h->kind == BODY_SIZED) {
        to = PUT_TEXT(to, "Content-Length: ");
        to = text_put_number(to, h->body_len);
        to = PUT_TEXT(to, "\r\n");
    } else if (h->kind == BODY_CHUNKED) {
        to = PUT_TEXT(to, "Transfer-Encoding: chunked\r\n");
    }
    if (h->kind == BODY_UNTIL_CLOSE || server_closing(s)) c->is_persistent = false;
    if (!c->is_persistent)
        to = PUT_TEXT(to, "Connection: close\r\n");
    else if (!c->parser.http11)
        to = PUT_TEXT(to, "Connection: keep-alive\r\n");
    return PUT_TEXT(to, "\r\n");
}

/* Returns room for a head, which reply_head_free() gives back: the server's scratch, or malloc'd. NULL: no memory. */
static char *reply_head_room(http_conn *c, size_t bound)
{
    return bound <= sizeof(c->server->scratch) ? c->server->scratch : malloc(bound);
}

static void reply_head_free(http_conn *c, char *head)
{
    if (head != c->server->scratch) free(head);
}

static bool status_has_body(int status) { return status != 204 && status != 205 && status != 304; }

/* 205 says that nothing follows; 204 and 304 may not say so (RFC 9110, 8.6 and 15.3.6). */
static body_kind body_kind_without_body(int status) { return status == 205 ? BODY_SIZED : BODY_NONE; }

static void reply_whole(http_conn *c, int status, const http_reply_header *headers, size_t count, http_text body)
{
    bool has_body = status_has_body(status), sends_body = has_body && !c->exchange.is_head && body.len > 0;
    size_t copied = sends_body && body.len <= BODY_COPY_BYTES ? body.len : 0;
    const reply_head h = {.status = status,
                          .headers = headers,
                          .count = count,
                          .kind = has_body ? BODY_SIZED : body_kind_without_body(status),
                          .body_len = has_body ? body.len : 0};
    size_t bound = reply_head_bound(c, &h) + copied;
    char *head = reply_head_room(c, bound);
    if (!head) {
        c->is_persistent = false; /* the connection ends behind the earlier replies */
        return;
    }
    char *end = reply_put_head(c, head, &h);
    if (copied > 0) end = text_put(end, body.data, copied);
    assert((size_t)(end - head) <= bound);
    bool body_follows = sends_body && copied == 0;
    if (conn_kept(c)) conn_keep_reply(c, (http_text){head, (size_t)(end - head)}, body_follows);
    struct iovec parts[2] = {{head, (size_t)(end - head)}, {(char *)(uintptr_t)body.data, body.len}};
    conn_send(c, parts, body_follows ? 2 : 1);
    reply_head_free(c, head);
}

static void reply_cut(http_conn *c)
{
    if (!conn_is_over(&c->state)) conn_cut(c);
}

/* Cuts a connection on which a former process has begun a reply: that reply can only be resumed. */
static bool reply_may_begin(http_conn *c)
{
    if (c->state.output == OUTPUT_SKIPPING) conn_cut(c);
    return !conn_is_over(&c->state);
}

void http_reply(http_exchange *x, int status, const http_reply_header *headers, size_t header_count, http_text body)
{
    http_conn *c = conn_of(x);
    assert(exchange_of(x) == EXCHANGE_OPEN);
    assert(status >= 200 && status < 600);
    x->timing.status = status;
    if (reply_may_begin(c)) reply_whole(c, status, headers, header_count, body);
    conn_exchange_end(c);
}

/* Begins a reply in pieces, of the kind that *h names if its status has a body. */
static void reply_begin(http_exchange *x, reply_head *h)
{
    http_conn *c = conn_of(x);
    bool has_body = status_has_body(h->status);
    assert(h->status >= 200 && h->status < 600);
    conn_post(&c->state, EVENT_BEGIN);
    x->timing.status = h->status;
    x->is_bodiless = x->is_head || !has_body;
    x->is_chunked = h->kind == BODY_CHUNKED && !x->is_bodiless;
    x->is_sized = h->kind == BODY_SIZED && !x->is_bodiless;
    x->owed = h->body_len;
    if (!reply_may_begin(c)) return;
    if (!has_body) {
        h->kind = body_kind_without_body(h->status);
        h->body_len = 0;
    }
    size_t bound = reply_head_bound(c, h);
    char *head = reply_head_room(c, bound);
    if (!head) {
        conn_cut(c);
        return;
    }
    char *end = reply_put_head(c, head, h);
    assert((size_t)(end - head) <= bound);
    struct iovec part = {head, (size_t)(end - head)};
    if (h->kind == BODY_UNTIL_CLOSE) c->ends_by_fin = conn_set_close_kind(c, CLOSE_WITH_RESET);
    conn_gather(c, &part, 1);
    reply_head_free(c, head);
}

void http_reply_begin(http_exchange *x, int status, const http_reply_header *headers, size_t header_count)
{
    reply_head h = {.status = status, .headers = headers, .count = header_count, .kind = BODY_CHUNKED};
    if (!conn_of(x)->parser.http11) h.kind = x->is_head ? BODY_NONE : BODY_UNTIL_CLOSE;
    reply_begin(x, &h);
}

void http_reply_begin_sized(http_exchange *x, int status, const http_reply_header *headers, size_t header_count,
                            size_t body_len)
{
    reply_head h = {
        .status = status, .headers = headers, .count = header_count, .kind = BODY_SIZED, .body_len = body_len};
    reply_begin(x, &h);
}

/* Counts bytes of a sized reply. False: they are beyond its length, and would be read as the next reply. */
static bool reply_is_owed(http_exchange *x, size_t len)
{
    if (!x->is_sized) return true;
    if (len > x->owed) return false;
    x->owed -= len;
    return true;
}

/* Writes "1f4\r\n" and returns its length. */
static size_t chunk_size_line(char line[20], size_t len)
{
    static const char hex[] = "0123456789abcdef";
    char digits[16];
    size_t at = sizeof(digits);
    do digits[--at] = hex[len & 15];
    while ((len >>= 4) > 0);
    char *end = text_put(line, digits + at, sizeof(digits) - at);
    end = PUT_TEXT(end, "\r\n");
    return (size_t)(end - line);
}

void http_reply_write(http_exchange *x, const char *data, size_t len)
{
    http_conn *c = conn_of(x);
    static const char end[] = "\r\n";
    char line[20];
    assert(exchange_of(x) == EXCHANGE_STREAMING);
    assert(!(x->is_chunked && x->is_sized));
    if (len == 0 || x->is_bodiless) return; /* an empty chunk would end the body */
    struct iovec parts[3] = {{line, 0}, {(char *)(uintptr_t)data, len}, {(char *)(uintptr_t)end, 2}};
    parts[0].iov_len = chunk_size_line(line, len);
    if (!reply_is_owed(x, len)) {
        reply_cut(c);
        return;
    }
    if (x->is_chunked)
        conn_gather(c, parts, 3);
    else
        conn_gather(c, parts + 1, 1);
}

void http_reply_end(http_exchange *x)
{
    http_conn *c = conn_of(x);
    static const char end[] = "0\r\n\r\n";
    struct iovec last = {(char *)(uintptr_t)end, 5};
    assert(exchange_of(x) == EXCHANGE_STREAMING);
    if (x->is_sized && x->owed > 0) reply_cut(c); /* the next reply would be read as the missing bytes */
    if (x->is_chunked)
        conn_send(c, &last, 1);
    else
        conn_flush(c);
    conn_exchange_end(c);
}

void http_reply_abort(http_exchange *x)
{
    http_conn *c = conn_of(x);
    reply_cut(c);
    conn_exchange_end(c);
}

void reply_problem(http_conn *c, int status, const char *detail)
{
    static const http_reply_header plain[] = {
        {"Content-Type", "application/problem+json"}, {"Cache-Control", "no-store"}, {"Retry-After", "1"}};
    const http_server_options *o = &c->server->options;
    http_text method, path;
    char body[256];
    assert(status >= 400 && status < 600);
    conn_post(&c->state, EVENT_REFUSE);
    request_parser_route(&c->parser, &method, &path);
    c->exchange.policy = o->on_refusal ? o->on_refusal(o->arg, method, path) : (http_policy){NULL, 0};
    size_t len = http_problem_body(body, sizeof(body), status, NULL, detail);
    assert(len > 0);
    c->is_persistent = false;
    c->exchange.is_head = text_equals_any_case(c->parser.method.data, c->parser.method.len, "HEAD", 4);
    reply_whole(c, status, plain, status == 503 ? 3 : 2, (http_text){body, len});
}
