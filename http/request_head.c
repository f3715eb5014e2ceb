/* The second look at a head that llhttp accepted: only its exact grammar passes. */
#include <assert.h>
#include <string.h>

#include "http/request_parser.h"
#include "http/token.h"

#define MALFORMED "The request is malformed."

static const char *skip_blank(const char *s, const char *end)
{
    while (s < end && (*s == ' ' || *s == '\t')) s++;
    return s;
}

static bool at_line_end(const char *s, const char *end) { return end - s >= 2 && s[0] == '\r' && s[1] == '\n'; }

/* Returns the first byte behind the request line; NULL if there is anything in it but the parts and single spaces. */
static const char *check_line(const request_parser *p, const char *s, const char *end)
{
    static const char version[] = " HTTP/1.";
    size_t version_len = sizeof(version) - 1;
    while (at_line_end(s, end)) s += 2;
    if (s != p->method.data || p->method.len == 0) return NULL;
    s += p->method.len;
    if (*s != ' ' || s + 1 != p->target.data || p->target.len == 0) return NULL;
    s = p->target.data + p->target.len;
    if ((size_t)(end - s) < version_len + 3 || memcmp(s, version, version_len) != 0) return NULL;
    if (s[version_len] != (p->http11 ? '1' : '0') || !at_line_end(s + version_len + 1, end)) return NULL;
    return s + version_len + 3;
}

static const char *check_header(http_header *h, const char *s, const char *end)
{
    if (s != h->name.data || h->name.len == 0) return NULL;
    for (size_t i = 0; i < h->name.len; i++) {
        if (!token_byte((unsigned char)s[i])) return NULL;
    }
    s += h->name.len;
    if (s == end || *s != ':') return NULL;
    s = skip_blank(s + 1, end);
    if (h->value.len > 0) {
        if (s != h->value.data) return NULL;
        s += h->value.len;
    }
    while (h->value.len > 0 && (s[-1] == ' ' || s[-1] == '\t')) {
        s--;
        h->value.len--;
    }
    if (h->value.len == 0) h->value.data = ""; /* lies nowhere, so it needs no terminating and no moving */
    s = skip_blank(s, end);
    return at_line_end(s, end) ? s + 2 : NULL;
}

static bool check_exact(request_parser *p, const char *head, const char *end)
{
    const char *s = check_line(p, head, end);
    for (size_t i = 0; s && i < p->header_count; i++) s = check_header(&p->headers[i], s, end);
    return s && at_line_end(s, end) && s + 2 == end;
}

static bool check_target(request_parser *p)
{
    http_text t = p->target;
    for (size_t i = 0; i < t.len; i++) {
        unsigned char b = (unsigned char)t.data[i];
        if (b <= ' ' || b >= 0x7f || b == '#') return request_refuse(p, 400, "The request target is malformed.");
    }
    if (text_equals(p->method.data, p->method.len, "CONNECT", 7))
        return request_refuse(p, 501, "This server is no proxy.");
    if (t.data[0] == '/') return true;
    if (t.len > 7 && strncasecmp(t.data, "http://", 7) == 0 && t.data[7] != '/' && t.data[7] != '?') return true;
    if (t.len > 8 && strncasecmp(t.data, "https://", 8) == 0 && t.data[8] != '/' && t.data[8] != '?') return true;
    if (t.len == 1 && t.data[0] == '*' && text_equals(p->method.data, p->method.len, "OPTIONS", 7)) return true;
    return request_refuse(p, 400, "The request target is neither a path nor an http URL.");
}

static bool check_host(request_parser *p, http_text value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char b = (unsigned char)value.data[i];
        bool letter = (b >= '0' && b <= '9') || ((b | 0x20) >= 'a' && (b | 0x20) <= 'z');
        if (!letter && !(b && strchr("-._~!$&'()*+,;=:[]%", b)))
            return request_refuse(p, 400, "The Host header is malformed.");
    }
    return true;
}

typedef struct head_counts {
    unsigned hosts, lengths, codings;
} head_counts;

static bool note_header(request_parser *p, const http_header *h, head_counts *counts)
{
    const char *name = h->name.data;
    switch (h->name.len) {
    case 4:
        if (!text_equals(name, 4, "Host", 4)) return true;
        counts->hosts++;
        return check_host(p, h->value);
    case 6:
        if (!text_equals(name, 6, "Expect", 6)) return true;
        if (!text_equals(h->value.data, h->value.len, "100-continue", 12))
            return request_refuse(p, 417, "The only expectation this server meets is 100-continue.");
        p->expects = p->http11; /* RFC 9110, 10.1.1: ignored in HTTP/1.0 */
        return true;
    case 14:
        counts->lengths += text_equals(name, 14, "Content-Length", 14);
        return true;
    case 17:
        if (!text_equals(name, 17, "Transfer-Encoding", 17)) return true;
        counts->codings++;
        if (!text_equals(h->value.data, h->value.len, "chunked", 7))
            return request_refuse(p, 501, "The only transfer coding this server takes is chunked.");
        p->is_chunked = true;
        return true;
    default:
        return true;
    }
}

bool request_head_check(request_parser *p, const char *head, size_t len)
{
    head_counts counts = {0};
    assert(len <= p->limits->head_bytes_max);
    if (!check_exact(p, head, head + len)) return request_refuse(p, 400, MALFORMED);
    if (!check_target(p)) return false;
    for (size_t i = 0; i < p->header_count; i++) {
        if (!note_header(p, &p->headers[i], &counts)) return false;
    }
    if (counts.hosts > 1 || (counts.hosts == 0 && p->http11))
        return request_refuse(p, 400, "A request needs one Host header.");
    if (counts.lengths + counts.codings > 1)
        return request_refuse(p, 400, "Content-Length is repeated, or sent with Transfer-Encoding.");
    if (counts.codings > 0 && !p->http11) return request_refuse(p, 400, "HTTP/1.0 has no Transfer-Encoding.");
    return true;
}
