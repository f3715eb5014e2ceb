/* failure: which kind of error a failed call has, and the text that says so to people. Reads the call and its easy
 * handle, and changes neither. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/client/client_core.h"

#define HEAD_TOO_LARGE_HTTP2 "the response's head is larger than 128 KiB, the most that libcurl takes over HTTP/2"
#define HEAD_LINE_TOO_LARGE  "a line of the response's head is larger than 100 kB"

/* Leaves out the query and a user's name and password: texts end up in logs. */
char *call_describe(const http_call *call, const char *why)
{
    const char *origin = call->host->origin;
    const char *path = strstr(call->url, "://");
    assert(path);
    path += 3 + strcspn(path + 3, "/?#");
    int path_len = (int)strcspn(path, "?#");
    size_t size = strlen(call->method) + strlen(origin) + (size_t)path_len + strlen(why) + 8;
    char *text = malloc(size);
    if (text) (void)snprintf(text, size, "%s %s%.*s: %s", call->method, origin, path_len, path, why);
    return text;
}

static const char *errno_text(long number, const char *otherwise)
{
    switch (number) {
    case ECONNREFUSED:
        return "refused";
    case ENETUNREACH:
    case EHOSTUNREACH:
        return "unreachable";
    case EMFILE:
    case ENFILE:
        return "too many open files";
    case EADDRNOTAVAIL:
        return "no free local port";
    default:
        return otherwise;
    }
}

/* Whether the request was sent and not answered: then nobody here can tell whether the peer did what it asks for. */
static bool call_may_be_done(const http_call *call) { return call->sent && !call->safe && !call->head_final; }

char *call_describe_late(const http_call *call, const char *what, int64_t ms, const char *limit)
{
    char text[200];
    (void)snprintf(text, sizeof text, "timed out: %s %lld ms (%s)%s", what, (long long)ms, limit,
                   call_may_be_done(call) ? "; it may have been done" : "");
    return call_describe(call, text);
}

/* curl watches two times: that for a connection, which is over once the request is sent, and that for the whole call.
 */
static char *describe_curl_timeout(const http_call *call)
{
    enum { CLOCKS_APART_MS = 5 };
    uint64_t past_ms = uv_now(call->client->loop) - call->started_ms + CLOCKS_APART_MS;
    uint32_t connect_ms = call->client->options.connect_timeout_ms;
    if (call->sent || (call->timeout_ms > 0 && past_ms >= (uint64_t)call->timeout_ms))
        return call_describe_late(call, call->head_final ? "the response was not whole within" : "no answer within",
                                  call->timeout_ms, "timeout_ms");
    return call_describe_late(call, "no connection within", connect_ms, "--connect-timeout");
}

static char *describe_connect_failure(const http_call *call, const char *why)
{
    long number = 0;
    (void)curl_easy_getinfo(call->easy->curl, CURLINFO_OS_ERRNO, &number);
    const char *authority = strstr(call->host->origin, "://") + 3;
    const char *reason = errno_text(number, why);
    size_t size = strlen(authority) + strlen(reason) + 16;
    char *text = malloc(size);
    if (text) (void)snprintf(text, size, "connect to %s: %s", authority, reason);
    return text;
}

/* Whether X509_verify_cert has found no trusted authority at the end of the chain. */
static bool chain_lacks_authority(const http_call *call)
{
    enum { ISSUER = 2, SELF_SIGNED = 18, SELF_SIGNED_IN_CHAIN = 19, ISSUER_LOCALLY = 20, FIRST = 21 };
    for (int proxys = 0; proxys <= 1; proxys++) {
        long result = 0;
        CURLINFO info = proxys ? CURLINFO_PROXY_SSL_VERIFYRESULT : CURLINFO_SSL_VERIFYRESULT;
        (void)curl_easy_getinfo(call->easy->curl, info, &result);
        if (result == ISSUER || (result >= SELF_SIGNED && result <= FIRST)) return true;
    }
    return false;
}

static char *describe_certificate_failure(const http_call *call, CURLcode result, const char *why)
{
    char text[CURL_ERROR_SIZE + 100];
    bool authority = result == CURLE_SSL_CACERT_BADFILE || chain_lacks_authority(call);
    (void)snprintf(text, sizeof text, "%s%s", why,
                   authority ? " (trusted are --ca-file, else SSL_CERT_FILE and SSL_CERT_DIR, else the system's)" : "");
    return call_describe(call, text);
}

/* libcurl before 8 refuses a head of more than 128 KiB over HTTP/2 inside of nghttp2, which calls that error -902. */
static bool nghttp2_was_refused(const http_call *call)
{
    return strstr(call->easy->message, "nghttp2") && strstr(call->easy->message, "-902");
}

/* curl says "out of memory" (from 8.6 on "a value or data field grew larger than allowed", 100) also when one line of
 * the head is longer than curl's limit of 100 kB: memory for a probe tells the two apart. */
static bool head_is_too_large(const http_call *call, CURLcode result)
{
    enum { TOO_LARGE = 100, PROBE_BYTES = 256 << 10 };
    if (call->head_final || !call->sent) return false;
    if ((int)result == TOO_LARGE) return true;
    void *probe = result == CURLE_OUT_OF_MEMORY || nghttp2_was_refused(call) ? malloc(PROBE_BYTES) : NULL;
    free(probe);
    return probe != NULL;
}

static char *describe_too_large(const http_call *call)
{
    char why[100];
    if (!call->head_final && call->refusal) return call_describe(call, call->refusal);
    if (!call->head_final)
        return call_describe(call, nghttp2_was_refused(call) ? HEAD_TOO_LARGE_HTTP2 : HEAD_LINE_TOO_LARGE);
    (void)snprintf(why, sizeof why, "the response is larger than %zu bytes (response_max)", call->body_bytes_max);
    return call_describe(call, why);
}

/* Whether the proxy's URL cannot be read, or is of a kind that libcurl does not speak: curl calls that a failed
 * connection. */
static bool proxy_is_unusable(const http_call *call)
{
    return call->proxied && strncmp(call->easy->message, "Unsupported proxy", 17) == 0;
}

/* curl's own message, unless that quotes a URL: a proxy's would show its password. */
static const char *curl_reason(const http_call *call, CURLcode result)
{
    const char *said = call->easy->message;
    if (proxy_is_unusable(call))
        return "the proxy of the environment (http_proxy, https_proxy, all_proxy) is none that libcurl can use";
    return said[0] && !strchr(said, '@') ? said : curl_easy_strerror(result);
}

static http_call_error_kind failure_kind(const http_call *call, CURLcode result)
{
    if (call->error != HTTP_CALL_OK) return call->error;
    if (head_is_too_large(call, result)) return HTTP_CALL_TOO_LARGE;
    if (proxy_is_unusable(call)) return HTTP_CALL_UNSUPPORTED;
    http_call_error_kind kind = result == CURLE_OK ? HTTP_CALL_BROKEN : outcome_kind(result);
    bool answered = kind == HTTP_CALL_UNREADABLE || kind == HTTP_CALL_TOO_LARGE || kind == HTTP_CALL_TIMEOUT;
    /* The request was sent on a connection that broke: curl's result is about a second one, which it may not use. */
    if (call_may_be_done(call) && !answered) return HTTP_CALL_BROKEN;
    return kind == HTTP_CALL_CONNECT && call->proxied ? HTTP_CALL_PROXY : kind;
}

static char *describe_unknown_outcome(const http_call *call, const char *why)
{
    char text[CURL_ERROR_SIZE + 40];
    (void)snprintf(text, sizeof text, "%s; it may have been done", why);
    return call_describe(call, text);
}

static char *failure_describe(const http_call *call, http_call_error_kind kind, CURLcode result)
{
    const char *why = curl_reason(call, result);
    if (kind == HTTP_CALL_TOO_LARGE) return describe_too_large(call);
    if (kind == HTTP_CALL_OTHER && call_may_be_done(call))
        return describe_unknown_outcome(call, call->refusal ? call->refusal : why);
    if (call->refusal) return call_describe(call, call->refusal);
    if (kind == HTTP_CALL_TIMEOUT) return describe_curl_timeout(call);
    if (kind == HTTP_CALL_CERTIFICATE) return describe_certificate_failure(call, result, why);
    if (kind == HTTP_CALL_CONNECT) return describe_connect_failure(call, why);
    if (kind == HTTP_CALL_BROKEN && call_may_be_done(call))
        return call_describe(call, "the connection broke before an answer; it may have been done");
    return call_describe(call, why);
}

http_call_error_kind call_failure(const http_call *call, CURLcode result, char **text)
{
    assert(call->easy);
    assert(result != CURLE_OK || call->error != HTTP_CALL_OK);
    if ((*text = guard_describe_refusal(call)) != NULL) return HTTP_CALL_NOT_PUBLIC;
    http_call_error_kind kind = proxy_refusal(call, text);
    if (kind != HTTP_CALL_OK) return kind;
    kind = failure_kind(call, result);
    assert(kind != HTTP_CALL_OK);
    *text = failure_describe(call, kind, result);
    return kind;
}
