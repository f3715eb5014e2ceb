/* The second look at a head that llhttp accepted: only its exact grammar passes. */
#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "http/rfc_token.h"
#include "http/server/request_parser.h"

#define MALFORMED "The request is malformed."

static const char *skip_blank(const char *s, const char *end)
{
    while (s < end && (*s == ' ' || *s == '\t')) s++;
    return s;
}

static bool at_line_end(const char *s, const char *end) { return end - s >= 2 && s[0] == '\r' && s[1] == '\n'; }

/* Returns the first byte behind the request line; NULL: the line holds more than its parts and single spaces. */
static const char *head_check_line(const request_parser *p, const char *s, const char *end)
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

/* Returns the first byte behind the header line at s; NULL: it holds more than name, colon, blanks and value. */
static const char *head_check_header(http_header *h, const char *s, const char *end)
{
    if (s != h->name.data || h->name.len == 0) return NULL;
    for (size_t i = 0; i < h->name.len; i++) {
        if (!rfc_token_byte((unsigned char)s[i])) return NULL;
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
    if (h->value.len == 0) h->value.data = ""; /* not in the bytes: neither terminated nor moved */
    s = skip_blank(s, end);
    return at_line_end(s, end) ? s + 2 : NULL;
}

static bool head_check_exact(request_parser *p, const char *head, const char *end)
{
    const char *s = head_check_line(p, head, end);
    for (size_t i = 0; s && i < p->header_count; i++) s = head_check_header(&p->headers[i], s, end);
    return s && at_line_end(s, end) && s + 2 == end;
}

static bool port_valid(const char *s, const char *end)
{
    unsigned port = 0;
    for (; s < end; s++) {
        if (*s < '0' || *s > '9') return false;
        port = port * 10 + (unsigned)(*s - '0');
        if (port > 65535) return false;
    }
    return true;
}

/* Returns the end of a name or IPv4 address (RFC 3986, section 3.2.2); NULL: something else is in it. */
static const char *host_name_end(const char *s, const char *end)
{
    for (; s < end && *s != ':'; s++) {
        unsigned char b = (unsigned char)*s;
        if (b == '%' && (end - s < 3 || !isxdigit((unsigned char)s[1]) || !isxdigit((unsigned char)s[2]))) return NULL;
        if (b >= 0x80 || (!isalnum(b) && !(b && strchr("-._~!$&'()*+,;=%", b)))) return NULL;
    }
    return s;
}

/* Returns the end of an IPv6 address in brackets; NULL: it is none. */
static const char *host_address_end(const char *s, const char *end)
{
    assert(s < end && *s == '[');
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    const char *close = memchr(s, ']', (size_t)(end - s));
    size_t len = close ? (size_t)(close - s) - 1 : sizeof(text);
    if (len >= sizeof(text)) return NULL;
    memcpy(text, s + 1, len);
    text[len] = 0;
    return strlen(text) == len && inet_pton(AF_INET6, text, &address) == 1 ? close + 1 : NULL;
}

/* True for "name", "1.2.3.4:80", "[::1]:80". */
static bool authority_valid(const char *s, size_t len)
{
    const char *end = s + len, *host = s;
    if (len == 0) return false;
    s = *s == '[' ? host_address_end(s, end) : host_name_end(s, end);
    if (!s || s == host) return false;
    return s == end || (*s == ':' && port_valid(s + 1, end));
}

/* Returns the authority of "http://authority/..."; of length 0: the target has another form. */
static http_text target_authority(http_text t)
{
    size_t scheme = 0;
    if (t.len > 7 && strncasecmp(t.data, "http://", 7) == 0) scheme = 7;
    if (t.len > 8 && strncasecmp(t.data, "https://", 8) == 0) scheme = 8;
    const char *from = t.data + scheme, *at = from, *end = t.data + t.len;
    while (scheme > 0 && at < end && *at != '/' && *at != '?') at++;
    return (http_text){from, (size_t)(at - from)};
}

static bool head_check_target(request_parser *p)
{
    http_text t = p->target;
    assert(t.len > 0 && p->authority.len == 0);
    for (size_t i = 0; i < t.len; i++) {
        unsigned char b = (unsigned char)t.data[i];
        if (b <= ' ' || b >= 0x7f || b == '#') return request_refuse(p, 400, "The request target is malformed.");
    }
    if (text_equals_any_case(p->method.data, p->method.len, "CONNECT", 7))
        return request_refuse(p, 501, "This server is no proxy.");
    if (t.data[0] == '/') return true;
    p->authority = target_authority(t);
    if (p->authority.len > 0 && authority_valid(p->authority.data, p->authority.len)) return true;
    if (t.len == 1 && t.data[0] == '*' && text_equals_any_case(p->method.data, p->method.len, "OPTIONS", 7))
        return true;
    return request_refuse(p, 400, "The request target is neither a path nor an http URL.");
}

typedef struct head_counts {
    unsigned hosts, lengths, codings;
} head_counts;

/* Counts and obeys the headers on which the framing depends. False: refused. */
static bool head_take_header(request_parser *p, const http_header *h, head_counts *counts)
{
    const char *name = h->name.data;
    switch (h->name.len) {
    case 4:
        if (!text_equals_any_case(name, 4, "Host", 4)) return true;
        counts->hosts++;
        if (h->value.len == 0 || authority_valid(h->value.data, h->value.len)) return true;
        return request_refuse(p, 400, "The Host header is malformed.");
    case 6:
        if (!text_equals_any_case(name, 6, "Expect", 6)) return true;
        if (!text_equals_any_case(h->value.data, h->value.len, "100-continue", 12))
            return request_refuse(p, 417, "The only expectation this server meets is 100-continue.");
        p->expects = p->http11; /* RFC 9110, 10.1.1: ignored in HTTP/1.0 */
        return true;
    case 14:
        counts->lengths += text_equals_any_case(name, 14, "Content-Length", 14);
        return true;
    case 17:
        if (!text_equals_any_case(name, 17, "Transfer-Encoding", 17)) return true;
        counts->codings++;
        if (!text_equals_any_case(h->value.data, h->value.len, "chunked", 7))
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
    assert(!p->is_chunked && !p->expects);
    if (!head_check_exact(p, head, head + len)) return request_refuse(p, 400, MALFORMED);
    if (!head_check_target(p)) return false;
    for (size_t i = 0; i < p->header_count; i++) {
        if (!head_take_header(p, &p->headers[i], &counts)) return false;
    }
    if (counts.hosts > 1 || (counts.hosts == 0 && p->http11))
        return request_refuse(p, 400, "A request needs one Host header.");
    if (counts.lengths + counts.codings > 1)
        return request_refuse(p, 400, "Content-Length is repeated, or sent with Transfer-Encoding.");
    if (counts.codings > 0 && !p->http11) return request_refuse(p, 400, "HTTP/1.0 has no Transfer-Encoding.");
    return true;
}
