#include "http/server/request_parser.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/rfc_token.h"

/*   START --byte--> HEAD --complete--> LENGTH or CHUNKED --last byte--> COMPLETE --begin--> START
 *                     \___no body_________________________________________/
 *   any --> REFUSED */
enum stage { STAGE_START, STAGE_HEAD, STAGE_LENGTH, STAGE_CHUNKED, STAGE_COMPLETE, STAGE_REFUSED };

enum { HOOK_REFUSED = HPE_USER };

#define OTHER_VERSION "This server speaks HTTP/1.1 and HTTP/1.0."

_Static_assert(sizeof(((request_parser *)0)->path_copy) == REQUEST_PATH_INLINE, "a path of less is copied there");

bool request_refuse(request_parser *p, int status, const char *detail)
{
    assert(status >= 400 && status < 600);
    assert(p->stage != STAGE_REFUSED); /* the first reason counts */
    p->status = status;
    p->detail = detail;
    p->stage = STAGE_REFUSED;
    return false;
}

/* Adds a piece to a part: llhttp reports a part in as many pieces as it was fed, and they must touch. */
static bool part_extend(request_parser *p, http_text *part, const char *at, size_t len)
{
    if (part->len == 0) {
        part->data = at;
    } else if (part->data + part->len != at) {
        p->torn = true;
        return false;
    }
    part->len += len;
    return true;
}

static int hook_method(llhttp_t *llhttp, const char *at, size_t len)
{
    request_parser *p = llhttp->data;
    part_extend(p, &p->method, at, len);
    return 0;
}

static int hook_url(llhttp_t *llhttp, const char *at, size_t len)
{
    request_parser *p = llhttp->data;
    part_extend(p, &p->target, at, len);
    return 0;
}

static bool headers_grow(request_parser *p)
{
    assert(p->header_count == p->headers_cap);
    if (p->header_count >= p->limits->headers_max)
        return request_refuse(p, 431, "The request has more header fields than this server takes.");
    assert(p->headers != p->more_headers);
    p->more_headers = calloc(p->limits->headers_max, sizeof(*p->more_headers));
    if (!p->more_headers) return request_refuse(p, 503, "The server is out of memory.");
    memcpy(p->more_headers, p->headers, p->header_count * sizeof(*p->headers));
    p->headers = p->more_headers;
    p->headers_cap = p->limits->headers_max;
    return true;
}

static int hook_header_field(llhttp_t *llhttp, const char *at, size_t len)
{
    request_parser *p = llhttp->data;
    if (p->header_count > 0) {
        http_header *last = &p->headers[p->header_count - 1];
        if (last->value.len == 0 && last->name.data + last->name.len == at) {
            last->name.len += len;
            return 0;
        }
    }
    if (p->header_count == p->headers_cap && !headers_grow(p)) return HOOK_REFUSED;
    http_header *h = &p->headers[p->header_count++];
    *h = (http_header){{at, len}, {"", 0}};
    return 0;
}

static int hook_header_value(llhttp_t *llhttp, const char *at, size_t len)
{
    request_parser *p = llhttp->data;
    if (p->header_count == 0) return HOOK_REFUSED;
    if (len > 0) part_extend(p, &p->headers[p->header_count - 1].value, at, len);
    return 0;
}

static int hook_headers_complete(llhttp_t *llhttp)
{
    request_parser *p = llhttp->data;
    if (llhttp->http_major != 1 || llhttp->http_minor > 1) {
        request_refuse(p, 505, OTHER_VERSION);
        return -1;
    }
    p->is_persistent = llhttp_should_keep_alive(llhttp) != 0;
    p->http11 = llhttp->http_minor == 1;
    /* An offer to upgrade may be ignored (RFC 9110, 7.8), and is: the bytes that follow are HTTP. */
    llhttp->upgrade = 0;
    return 1; /* "no body": llhttp is done with the message here, since the body is parsed in this file */
}

static int hook_message_complete(llhttp_t *llhttp)
{
    (void)llhttp;
    return HPE_PAUSED;
}

static const llhttp_settings_t hooks = {
    .on_method = hook_method,
    .on_url = hook_url,
    .on_header_field = hook_header_field,
    .on_header_value = hook_header_value,
    .on_headers_complete = hook_headers_complete,
    .on_message_complete = hook_message_complete,
};

void request_parser_init(request_parser *p, const request_limits *limits)
{
    memset(p, 0, sizeof(*p));
    p->limits = limits;
    llhttp_init(&p->llhttp, HTTP_REQUEST, &hooks);
    p->llhttp.data = p;
    p->stage = STAGE_COMPLETE;
}

static void request_parser_release(request_parser *p)
{
    free(p->more_headers);
    free(p->long_path);
    free(p->host_copy);
    p->more_headers = NULL;
    p->long_path = p->host_copy = NULL;
}

void request_parser_free(request_parser *p) { request_parser_release(p); }

void request_parser_forget(request_parser *p)
{
    p->method = p->target = p->authority = (http_text){"", 0};
    p->header_count = 0;
    p->head_bytes = p->body_at = p->body_len = p->body_need = 0;
}

void request_parser_begin(request_parser *p, http_header *headers, size_t headers_cap)
{
    assert(p->stage == STAGE_COMPLETE);
    assert(headers_cap > 0);
    if (p->more_headers || p->long_path || p->host_copy) request_parser_release(p);
    p->headers = headers;
    p->headers_cap = headers_cap < p->limits->headers_max ? headers_cap : p->limits->headers_max;
    request_parser_forget(p);
    p->is_chunked = p->expects = p->torn = false;
    p->stage = STAGE_START;
}

bool request_parser_idle(const request_parser *p) { return p->stage == STAGE_START || p->stage == STAGE_COMPLETE; }

bool request_parser_waits(const request_parser *p)
{
    return request_parser_idle(p) || (p->stage == STAGE_HEAD && p->method.len == 0);
}

bool request_parser_in_body(const request_parser *p) { return p->stage == STAGE_LENGTH || p->stage == STAGE_CHUNKED; }

size_t request_parser_size(const request_parser *p)
{
    return p->stage == STAGE_LENGTH ? p->body_at + p->body_need + 1 : 0;
}

void request_parser_rebase(request_parser *p, const char *old, char *now)
{
    if (p->stage == STAGE_START || p->stage == STAGE_REFUSED) return;
    /* A part of length 0 was not seen yet, and does not lie in the bytes that moved. */
    if (p->method.len > 0) p->method.data = now + (p->method.data - old);
    if (p->target.len > 0) p->target.data = now + (p->target.data - old);
    if (p->authority.len > 0) p->authority.data = now + (p->authority.data - old);
    for (size_t i = 0; i < p->header_count; i++) {
        http_header *h = &p->headers[i];
        h->name.data = now + (h->name.data - old);
        if (h->value.len > 0) h->value.data = now + (h->value.data - old);
    }
}

/* True if llhttp has stopped at a well-formed version that is neither 1.0 nor 1.1. */
static bool version_is_strange(const request_parser *p, const char *error_at)
{
    if (p->target.len == 0) return false;
    const char *v = p->target.data + p->target.len; /* " HTTP/2.0" */
    if (error_at < v + 8 || memcmp(v, " HTTP/", 6) != 0) return false;
    bool is_version = v[6] >= '0' && v[6] <= '9' && v[7] == '.' && v[8] >= '0' && v[8] <= '9';
    return is_version && !(v[6] == '1' && (v[8] == '0' || v[8] == '1'));
}

static void request_refuse_for_error(request_parser *p, llhttp_errno_t error)
{
    const char *at = llhttp_get_error_pos(&p->llhttp);
    switch (error) {
    case HPE_INVALID_METHOD:
        if (at && rfc_token_byte((unsigned char)*at))
            request_refuse(p, 501, "This server does not know the request's method.");
        else
            request_refuse(p, 400, "The request does not begin with a method.");
        return;
    case HPE_PAUSED_H2_UPGRADE:
        request_refuse(p, 505, OTHER_VERSION);
        return;
    case HPE_INVALID_VERSION:
        if (at && version_is_strange(p, at))
            request_refuse(p, 505, OTHER_VERSION);
        else
            request_refuse(p, 400, "The request line is malformed.");
        return;
    case HPE_INVALID_URL:
        request_refuse(p, 400, "The request target is malformed.");
        return;
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        request_refuse(p, 400, "Content-Length is malformed, repeated, or sent with Transfer-Encoding.");
        return;
    default:
        request_refuse(p, 400, "The request is malformed.");
        return;
    }
}

/* 414 or 431, as the line or the fields are too long; 400 if not even a method came. */
static request_result request_refuse_large_head(request_parser *p, const char *head)
{
    if (p->method.len == 0)
        request_refuse(p, 400, "The request does not begin with a method.");
    else if (!memchr(p->method.data, '\n', p->head_bytes - (size_t)(p->method.data - head)))
        request_refuse(p, 414, "The request line is longer than this server takes.");
    else
        request_refuse(p, 431, "The header fields are longer than this server takes.");
    return REQUEST_REFUSED;
}

/* Begins what follows a complete and checked head: a body of known length, a chunked one, or none. */
static request_result request_begin_body(request_parser *p)
{
    uint64_t need = p->is_chunked ? 0 : p->llhttp.content_length;
    assert(p->head_bytes <= p->limits->head_bytes_max);
    assert(p->body_len == 0);
    p->body_at = p->head_bytes;
    if (need > p->limits->body_bytes_max) {
        request_refuse(p, 413, "The body is larger than this server takes.");
        return REQUEST_REFUSED;
    }
    p->body_need = (size_t)need;
    if (p->is_chunked) chunked_init(&p->chunked, p->limits->body_bytes_max);
    p->stage = p->is_chunked ? STAGE_CHUNKED : need > 0 ? STAGE_LENGTH : STAGE_COMPLETE;
    return p->stage == STAGE_COMPLETE ? REQUEST_COMPLETE : REQUEST_MORE;
}

/* Feeds llhttp, never beyond the limit of the head: a head is refused at one byte, in whatever pieces it arrived. */
static request_result request_feed_head(request_parser *p, request_bytes *bytes)
{
    assert(p->head_bytes < p->limits->head_bytes_max);
    assert(bytes->at == bytes->start + p->head_bytes);
    size_t room = p->limits->head_bytes_max - p->head_bytes;
    size_t len = bytes->end - bytes->at < room ? bytes->end - bytes->at : room;
    const char *from = bytes->data + bytes->at, *head = bytes->data + bytes->start;
    llhttp_errno_t error = llhttp_execute(&p->llhttp, from, len);
    if (p->stage == STAGE_REFUSED) return REQUEST_REFUSED;
    if (p->torn) {
        request_refuse(p, 400, "A header field is folded over several lines.");
        return REQUEST_REFUSED;
    }
    if (error == HPE_OK) {
        p->head_bytes += len;
        bytes->at += len;
        return len == room ? request_refuse_large_head(p, head) : REQUEST_MORE;
    }
    if (error != HPE_PAUSED) {
        request_refuse_for_error(p, error);
        return REQUEST_REFUSED;
    }
    size_t taken = (size_t)(llhttp_get_error_pos(&p->llhttp) - from);
    assert(taken <= len);
    llhttp_resume(&p->llhttp);
    p->head_bytes += taken;
    bytes->at += taken;
    return request_head_check(p, head, p->head_bytes) ? request_begin_body(p) : REQUEST_REFUSED;
}

static request_result request_feed_length(request_parser *p, request_bytes *bytes)
{
    assert(p->body_len < p->body_need);
    size_t left = p->body_need - p->body_len;
    size_t len = bytes->end - bytes->at < left ? bytes->end - bytes->at : left;
    assert(bytes->at == bytes->start + p->body_at + p->body_len);
    p->body_len += len;
    bytes->at += len;
    if (p->body_len < p->body_need) return REQUEST_MORE;
    p->stage = STAGE_COMPLETE;
    return REQUEST_COMPLETE;
}

/* Decodes the body in place. Between two feeds the bytes end where the decoded body ends, so framing never piles up. */
static request_result request_feed_chunked(request_parser *p, request_bytes *bytes)
{
    size_t taken, decoded;
    char *out = bytes->data + bytes->start + p->body_at + p->body_len;
    assert(out <= bytes->data + bytes->at);
    chunked_result result = chunked_decode(&p->chunked, (http_text){bytes->data + bytes->at, bytes->end - bytes->at},
                                           &taken, out, &decoded);
    p->body_len += decoded;
    bytes->at += taken;
    assert(p->body_len <= p->limits->body_bytes_max);
    switch (result) {
    case CHUNKED_MORE:
        assert(bytes->at == bytes->end);
        bytes->at = bytes->end = bytes->start + p->body_at + p->body_len;
        return REQUEST_MORE;
    case CHUNKED_DONE:
        p->stage = STAGE_COMPLETE;
        return REQUEST_COMPLETE;
    case CHUNKED_BAD:
        request_refuse(p, 400, "The chunked body is malformed.");
        return REQUEST_REFUSED;
    case CHUNKED_TOO_LARGE:
        request_refuse(p, 413, "The body is larger than this server takes.");
        return REQUEST_REFUSED;
    case CHUNKED_TOO_MUCH:
        request_refuse(p, 400, "The chunk extensions and trailers are longer than this server takes.");
        return REQUEST_REFUSED;
    }
    assert(!"chunked_decode: unknown result");
    return REQUEST_REFUSED;
}

request_result request_parser_feed(request_parser *p, request_bytes *bytes)
{
    request_result result = REQUEST_MORE;
    assert(bytes->start <= bytes->at && bytes->at <= bytes->end);
    assert(p->stage != STAGE_COMPLETE && p->stage != STAGE_REFUSED);
    if (bytes->at < bytes->end && p->stage == STAGE_START) p->stage = STAGE_HEAD;
    if (bytes->at < bytes->end && p->stage == STAGE_HEAD) result = request_feed_head(p, bytes);
    if (result == REQUEST_MORE && bytes->at < bytes->end) {
        p->expects = false; /* the client sent the body without waiting */
        if (p->stage == STAGE_LENGTH)
            result = request_feed_length(p, bytes);
        else if (p->stage == STAGE_CHUNKED)
            result = request_feed_chunked(p, bytes);
    }
    if (result == REQUEST_MORE && p->expects && request_parser_in_body(p)) {
        p->expects = false;
        return REQUEST_EXPECTS;
    }
    return result;
}

/* Returns the part of the target between authority and '?'. */
static http_text target_path(http_text target, http_text authority)
{
    const char *end = target.data + target.len, *from = authority.len ? authority.data + authority.len : target.data;
    const char *question = memchr(from, '?', (size_t)(end - from));
    return (http_text){from, (size_t)((question ? question : end) - from)};
}

void request_parser_route(const request_parser *p, http_text *method, http_text *path)
{
    /* llhttp has told the method, and a byte of the first header or the end of the head proves the target whole. */
    bool whole = p->target.len > 0 && (p->header_count > 0 || request_parser_in_body(p) || p->body_at > 0);
    *method = whole ? p->method : (http_text){"", 0};
    *path = whole ? target_path(p->target, p->authority) : (http_text){"", 0};
}

/* Copies and terminates a path: one with a query behind it cannot be terminated in place, because `target` needs the
 * '?'. NULL: out of memory. */
static const char *request_copy_path(request_parser *p, http_text path)
{
    char *copy = p->path_copy;
    if (path.len >= sizeof(p->path_copy)) {
        assert(!p->long_path);
        copy = p->long_path = malloc(path.len + 1);
        if (!copy) return NULL;
    }
    memcpy(copy, path.data, path.len);
    copy[path.len] = 0;
    return copy;
}

/* Returns "/?x" of "http://h?x", whose path is empty: "/" means the same (RFC 9110, 4.2.3). NULL: out of memory. */
static const char *request_copy_with_slash(request_parser *p, http_text query)
{
    assert(!p->long_path); /* an empty path is not copied */
    char *copy = p->long_path = malloc(query.len + 3);
    if (copy) sprintf(copy, "/?%s", query.data);
    return copy;
}

/* Sets r->target: what is behind the host, if the target names one. False: out of memory. */
static bool request_set_target(request_parser *p, http_text path, http_request *r)
{
    const char *end = p->target.data + p->target.len;
    r->target = p->target;
    if (p->authority.len == 0) return true;
    r->target = (http_text){path.data, (size_t)(end - path.data)};
    if (path.len > 0) return true;
    r->target = (http_text){path.data < end ? request_copy_with_slash(p, r->query) : "/",
                            path.data < end ? r->query.len + 2 : 1};
    return r->target.data != NULL;
}

/* Puts the host that the target names into the Host header, whose own value is ignored then (RFC 9112, 3.2.2). False:
 * out of memory. */
static bool request_override_host(request_parser *p)
{
    if (p->authority.len == 0) return true;
    for (size_t i = 0; i < p->header_count; i++) {
        http_header *h = &p->headers[i];
        if (!text_equals_any_case(h->name.data, h->name.len, "Host", 4)) continue;
        assert(!p->host_copy);
        p->host_copy = strndup(p->authority.data, p->authority.len);
        if (!p->host_copy) return false;
        h->value = (http_text){p->host_copy, p->authority.len};
    }
    return true;
}

static void text_terminate(http_text part) { ((char *)(uintptr_t)part.data)[part.len] = 0; }

bool request_parser_request(request_parser *p, const request_bytes *bytes, http_request *r)
{
    assert(p->stage == STAGE_COMPLETE);
    assert(p->method.len > 0 && p->target.len > 0);
    assert(bytes->start + p->body_at + p->body_len <= bytes->end);
    http_text path = target_path(p->target, p->authority);
    const char *path_end = path.data + path.len, *target_end = p->target.data + p->target.len;
    r->method = p->method;
    r->query =
        path_end < target_end ? (http_text){path_end + 1, (size_t)(target_end - path_end - 1)} : (http_text){"", 0};
    text_terminate(p->method);
    text_terminate(p->target);
    if (!request_set_target(p, path, r)) return false;
    if (path.len > 0 && path_end < target_end) {
        path.data = request_copy_path(p, path);
        if (!path.data) return false;
    }
    r->path = path.len > 0 ? path : (http_text){"/", 1};
    for (size_t i = 0; i < p->header_count; i++) {
        text_terminate(p->headers[i].name);
        if (p->headers[i].value.len > 0) text_terminate(p->headers[i].value);
    }
    if (!request_override_host(p)) return false;
    r->headers = p->headers;
    r->header_count = p->header_count;
    r->body = (http_text){"", 0};
    if (p->body_len > 0) {
        r->body = (http_text){bytes->data + bytes->start + p->body_at, p->body_len};
        text_terminate(r->body);
    }
    return true;
}
