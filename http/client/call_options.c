/* call_options: checks a call's options and copies them into one allocation, laid out as curl wants them:
 *
 *   [curl_slist nodes][url 0][method 0][header 0]...[body 0]
 *
 * Runs on the user's stack, a coroutine's: it calls nothing of curl's and has no large frames. */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/client/client_core.h"
#include "http/rfc_token.h"

/* The safe methods of RFC 9110, 9.2.1. */
bool http_method_is_safe(const char *method)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < sizeof safe / sizeof safe[0]; i++)
        if (strcmp(method, safe[i]) == 0) return true;
    return false;
}

const char *http_call_method(const http_call_options *o)
{
    if (o->method) return o->method;
    return o->body ? "POST" : "GET";
}

bool header_is(const char *header, const char *name)
{
    size_t len = strlen(name);
    return strncasecmp(header, name, len) == 0 && header[len] == ':';
}

static bool header_is_valid(const char *header)
{
    const char *colon = strchr(header, ':');
    if (!colon || !is_rfc_token(header, (size_t)(colon - header))) return false;
    return is_rfc_field_value(colon + 1, strlen(colon + 1));
}

const char *header_value(const char *header)
{
    const char *colon = strchr(header, ':');
    assert(colon);
    const char *value = colon + 1;
    while (*value == ' ' || *value == '\t') value++;
    return value;
}

/* curl frames the body: a header of the user's that contradicts it would let one smuggle a second request. */
static bool header_framing_is_valid(const char *header, size_t body_len)
{
    if (header_is(header, "Transfer-Encoding")) return false;
    if (!header_is(header, "Content-Length")) return true;
    char expected[24];
    snprintf(expected, sizeof(expected), "%zu", body_len);
    return strcmp(header_value(header), expected) == 0;
}

/* Returns what stands behind "user:password@", or `name` if there is no such thing before `end`. */
static const char *url_skip_user(const char *name, const char *end)
{
    for (const char *p = end; p > name; p--)
        if (p[-1] == '@') return p;
    return name;
}

/* The length of "http://" or "https://" at the beginning; 0: neither is there. */
static size_t url_scheme_len(const char *url)
{
    if (strncasecmp(url, "http://", 7) == 0) return 7;
    return strncasecmp(url, "https://", 8) == 0 ? 8 : 0;
}

/* Writes "http://name:port" in lower case. Only limits and messages go by it: curl reads the URL itself. */
bool url_origin(const char *url, char *out, size_t out_size)
{
    size_t scheme = url_scheme_len(url), url_len = strlen(url);
    if (scheme == 0 || url_len > (size_t)CLIENT_URL_BYTES_MAX) return false;
    for (size_t i = 0; i < url_len; i++) {
        if ((unsigned char)url[i] <= 0x20 || url[i] == 0x7f) return false;
    }
    const char *name = url + scheme, *end = name + strcspn(name, "/?#");
    name = url_skip_user(name, end);
    const char *name_end = name;
    while (name_end < end && (*name_end != ':' || *name == '[')) {
        name_end++;
        if (*name == '[' && name_end[-1] == ']') break;
    }
    bool has_port = name_end < end && *name_end == ':' && end - name_end > 1;
    if (name_end == name || (name_end < end && *name_end != ':') || (size_t)(end - name) + 16 > out_size) return false;
    const char *port = scheme == 7 ? "80" : "443";
    if (has_port) port = name_end + 1;
    char *to = mempcpy(out, url, scheme); /* no printf: it needs more stack than all the rest of a call */
    to = mempcpy(to, name, (size_t)(name_end - name));
    *to++ = ':';
    to = mempcpy(to, port, has_port ? (size_t)(end - port) : strlen(port));
    assert(to < out + out_size);
    *to = 0;
    for (char *p = out; *p; p++) *p = (char)tolower((unsigned char)*p);
    return true;
}

/* ---- What is refused ---- */

http_shown_url http_url_shown(const char *url)
{
    const char *scheme_end = strstr(url, "://"), *name = scheme_end ? scheme_end + 3 : url;
    const char *path = name + strcspn(name, "/?#"), *end = path + strcspn(path, "?#");
    http_shown_url shown = {.scheme = url, .scheme_len = (int)(name - url), .host_path = url_skip_user(name, path)};
    shown.host_path_len = (int)(end - shown.host_path);
    shown.host_len = (int)(path - shown.host_path);
    return shown;
}

static const char *url_refusal(const char *url)
{
    if (!url || !*url) return "there is no URL";
    if (url_scheme_len(url) == 0) return "only URLs that begin with http:// or https:// can be called";
    if (strlen(url) > (size_t)CLIENT_URL_BYTES_MAX) return "the URL is longer than 64 KiB";
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            return "the URL has a space or a control character, which is to be percent-encoded";
    return "the URL has no host that can be called";
}

/* Says which header cannot be sent by its name alone: a value may be a secret. */
static void header_write_refusal(const http_call_options *o, char *out, size_t size)
{
    enum { NAME_SHOWN_MAX = 60 };
    size_t body_len = o->body ? o->body_len : 0;
    for (const char *const *h = o->headers; h && *h; h++) {
        if (header_is_valid(*h) && header_framing_is_valid(*h, body_len)) continue;
        size_t len = strcspn(*h, ":\r\n");
        (void)snprintf(
            out, size, "the request header \"%.*s\" %s", len < NAME_SHOWN_MAX ? (int)len : NAME_SHOWN_MAX, *h,
            header_is_valid(*h) ? "contradicts the body" : "is no \"Name: value\", or has a control character");
        return;
    }
    (void)snprintf(out, size, "the method \"%.20s\" cannot be sent%s", o->method ? o->method : "",
                   o->body ? " with a body" : "");
}

char *call_describe_refusal(const http_client *c, const http_call_options *o, http_call_error_kind kind)
{
    enum { SHOWN_MAX = 300, TEXT_MAX = 600 };
    char why[160] = "", *text = malloc(TEXT_MAX);
    http_shown_url shown = http_url_shown(o->url ? o->url : "");
    if (kind == HTTP_CALL_BAD_URL)
        (void)snprintf(why, sizeof why, "%s", url_refusal(o->url));
    else if (kind == HTTP_CALL_BAD_HEADER)
        header_write_refusal(o, why, sizeof why);
    else
        (void)snprintf(why, sizeof why, "more than %zu calls are under way in this loop", c->options.calls_max);
    if (shown.scheme_len > 20) shown.scheme_len = 20;
    if (shown.host_path_len > SHOWN_MAX) shown.host_path_len = SHOWN_MAX;
    if (text)
        (void)snprintf(text, TEXT_MAX, "%.20s %.*s%.*s: %s", http_call_method(o), shown.scheme_len, shown.scheme,
                       shown.host_path_len, shown.host_path, why);
    return text;
}

struct options_size {
    size_t nodes, bytes; /* of the headers; the bytes do not include the nodes' */
    bool has_content_type, has_encoding;
};

static http_call_error_kind headers_measure(const http_call_options *o, struct options_size *size)
{
    for (size_t i = 0; o->headers && o->headers[i]; i++) {
        const char *h = o->headers[i];
        if (!header_is_valid(h) || !header_framing_is_valid(h, o->body ? o->body_len : 0)) return HTTP_CALL_BAD_HEADER;
        size->has_content_type |= header_is(h, "Content-Type");
        size->has_encoding |= header_is(h, "Accept-Encoding");
        size->nodes++;
        size->bytes += strlen(h) + 1;
    }
    size->nodes += 2;
    return HTTP_CALL_OK;
}

static char *text_append_copy(char **at, const char *text, size_t len)
{
    char *copy = *at;
    memcpy(copy, text, len);
    copy[len] = 0;
    *at += len + 1;
    return copy;
}

static void headers_add_node(http_call *call, struct curl_slist *nodes, size_t *count, char *text)
{
    nodes[*count] = (struct curl_slist){.data = text, .next = NULL};
    if (*count > 0)
        nodes[*count - 1].next = &nodes[*count];
    else
        call->headers = nodes;
    ++*count;
}

static void headers_copy(http_call *call, const http_call_options *o, const struct options_size *size, char **at)
{
    static char no_expect[] = "Expect:", no_content_type[] = "Content-Type:"; /* curl sends none of its own */
    _Static_assert(_Alignof(struct curl_slist) <= _Alignof(max_align_t), "malloc aligns for nodes");
    struct curl_slist *nodes = (struct curl_slist *)(void *)call->copied;
    size_t count = 0;
    for (size_t i = 0; o->headers && o->headers[i]; i++) {
        if (header_is(o->headers[i], "Content-Length")) continue;
        if (header_is(o->headers[i], "Expect")) continue; /* refused with 417, curl would send the request again */
        char *text = text_append_copy(at, o->headers[i], strlen(o->headers[i]));
        if (*header_value(text) == 0) { /* curl takes "Name:" as "do not send it" and "Name;" as an empty value */
            char *colon = strchr(text, ':');
            colon[0] = ';';
            colon[1] = 0;
        }
        headers_add_node(call, nodes, &count, text);
    }
    headers_add_node(call, nodes, &count, no_expect);
    if (!size->has_content_type) headers_add_node(call, nodes, &count, no_content_type);
    assert(call->headers == nodes);
    assert(count <= size->nodes);
}

static bool call_reserve_copy(http_call *call, size_t bytes)
{
    assert(call->copied || call->copied_cap == 0);
    if (call->copied_cap >= bytes) return true;
    free(call->copied);
    call->copied_cap = 0;
    call->copied = malloc(bytes);
    if (!call->copied) return false;
    call->copied_cap = bytes;
    return true;
}

http_call_error_kind call_copy_options(http_call *call, const http_call_options *o, char *origin, size_t origin_size,
                                       bool *out_of_memory)
{
    struct options_size size = {0};
    const char *method = http_call_method(o);
    if (!o->url || !url_origin(o->url, origin, origin_size)) return HTTP_CALL_BAD_URL;
    if (!is_rfc_token(method, strlen(method)) || headers_measure(o, &size)) return HTTP_CALL_BAD_HEADER;
    /* With a body curl would wait for that of a HEAD's answer, which has none; no call could use CONNECT's tunnel. */
    if ((o->body && strcmp(method, "HEAD") == 0) || strcmp(method, "CONNECT") == 0) return HTTP_CALL_BAD_HEADER;

    size_t url_len = strlen(o->url), method_len = strlen(method), body_len = o->body ? o->body_len : 0;
    size_t total = size.nodes * sizeof(struct curl_slist) + url_len + method_len + size.bytes + 3;
    if (body_len >= SIZE_MAX / 2 - total || !call_reserve_copy(call, total + body_len)) {
        *out_of_memory = true;
        return HTTP_CALL_OTHER;
    }
    char *at = call->copied + size.nodes * sizeof(struct curl_slist);
    call->url = call->asked_url = text_append_copy(&at, o->url, url_len);
    call->method = text_append_copy(&at, method, method_len);
    call->safe = http_method_is_safe(method);
    call->takes_encoded = size.has_encoding;
    call->body = NULL;
    call->body_len = body_len;
    if (o->body) call->body = text_append_copy(&at, o->body, body_len);
    headers_copy(call, o, &size, &at);
    assert(at <= call->copied + call->copied_cap);
    return HTTP_CALL_OK;
}
