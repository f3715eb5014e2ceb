/* client_failure: what a call's failure is called, for programs and for people. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/client_core.h"

static http_call_error_kind kind_of(CURLcode code)
{
    switch (code) {
    case CURLE_URL_MALFORMAT:
        return HTTP_CALL_BAD_URL;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return HTTP_CALL_RESOLVE;
    case CURLE_COULDNT_CONNECT:
        return HTTP_CALL_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_USE_SSL_FAILED:
        return HTTP_CALL_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_CALL_TIMEOUT;
    case CURLE_FILESIZE_EXCEEDED:
        return HTTP_CALL_TOO_LARGE;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return HTTP_CALL_UNREADABLE;
    case CURLE_UNSUPPORTED_PROTOCOL: /* the URL's own was checked: an answer that is no HTTP */
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return HTTP_CALL_BROKEN;
    default:
        return HTTP_CALL_OTHER;
    }
}

/* Neither the query nor a user's name and password: texts end up in logs. */
char *call_describe(const http_call *call, const char *why)
{
    const char *origin = call->host->origin;
    const char *path = strstr(call->url, "://") + 3;
    path += strcspn(path, "/?#");
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

/* Sent and not answered: nobody here can tell whether the peer did what the request asks for. */
static bool may_be_done(const http_call *call) { return call->sent && !call->safe && !call->head_final; }

char *call_describe_timeout(const http_call *call, const char *why)
{
    char text[CURL_ERROR_SIZE + 32];
    (void)snprintf(text, sizeof text, "%s%s", why, may_be_done(call) ? "; it may have been done" : "");
    return call_describe(call, text);
}

static char *describe_connect(const http_call *call, const char *why)
{
    long number = 0;
    (void)curl_easy_getinfo(call->easy->curl, CURLINFO_OS_ERRNO, &number);
    const char *place = strstr(call->host->origin, "://") + 3;
    const char *reason = errno_text(number, why);
    size_t size = strlen(place) + strlen(reason) + 16;
    char *text = malloc(size);
    if (text) (void)snprintf(text, size, "connect to %s: %s", place, reason);
    return text;
}

/* curl says "out of memory" (from 8.6 on "a value or data field grew larger than allowed", 100) also when one line of
 * the head is longer than its own limit of 100 kB. */
static bool head_is_too_large(const http_call *call, CURLcode result)
{
    enum { TOO_LARGE = 100, PROBE_BYTES = 256 << 10 };
    if (call->head_final || !call->sent) return false;
    if ((int)result == TOO_LARGE) return true;
    void *probe = result == CURLE_OUT_OF_MEMORY ? malloc(PROBE_BYTES) : NULL;
    free(probe);
    return probe != NULL;
}

http_call_error_kind call_failure(const http_call *call, CURLcode result, char **text)
{
    const char *why = call->easy->message[0] ? call->easy->message : curl_easy_strerror(result);
    http_call_error_kind kind = call->error != HTTP_CALL_OK ? call->error : kind_of(result);
    if (call->refusal || kind == HTTP_CALL_UNREADABLE || kind == HTTP_CALL_TOO_LARGE) {
        *text = call_describe(call, call->refusal ? call->refusal : why);
        return kind;
    }
    if (head_is_too_large(call, result)) {
        *text = call_describe(call, "a line of the response's head is larger than 100 kB");
        return HTTP_CALL_TOO_LARGE;
    }
    if (kind == HTTP_CALL_TIMEOUT) {
        *text = call_describe_timeout(call, why);
        return kind;
    }
    /* What curl says then is about a second connection, which it was not allowed to use. */
    if (may_be_done(call)) {
        *text = call_describe(call, "the connection broke before an answer; it may have been done");
        return HTTP_CALL_BROKEN;
    }
    *text = kind == HTTP_CALL_CONNECT ? describe_connect(call, why) : call_describe(call, why);
    return kind;
}
