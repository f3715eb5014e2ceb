/* redirect: the request that follows a redirect (RFC 9110, 15.4). It is sent once as any other, counts at the host
 * where it goes, and has what is left of the whole call's time. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/client/client_core.h"

bool redirect_wanted(const http_call *call, long status)
{
    bool names_target = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    return names_target && call->redirects_max > 0 && call->has_location;
}

/* ---- Where it goes ---- */

static const char *redirect_location(const http_call *call)
{
    assert(call->has_location);
    const char *at = call->head.data + call->head.start;
    for (size_t i = 0; i < call->header_count; i++, at += strlen(at) + 1) {
        if (!header_is(at, "Location")) continue;
        const char *value = header_value(at);
        if (*value) return value;
    }
    return NULL;
}

/* Copies user and password of the URL that was redirected, unless the new one has its own: at the same origin they are
 * still good. */
static bool url_copy_user(CURLU *to, const char *from_url)
{
    static const CURLUPart parts[] = {CURLUPART_USER, CURLUPART_PASSWORD};
    char *text = NULL;
    if (curl_url_get(to, CURLUPART_USER, &text, 0) == CURLUE_OK) {
        curl_free(text);
        return true;
    }
    CURLU *from = curl_url();
    bool ok = from && curl_url_set(from, CURLUPART_URL, from_url, 0) == CURLUE_OK;
    for (size_t i = 0; ok && i < 2; i++) {
        if (curl_url_get(from, parts[i], &text, 0) != CURLUE_OK) continue;
        ok = curl_url_set(to, parts[i], text, 0) == CURLUE_OK;
        curl_free(text);
    }
    curl_url_cleanup(from);
    return ok;
}

/* Returns the absolute URL, the caller's to curl_free, and its origin. NULL: it is none that can be called. */
static char *redirect_resolve_url(const http_call *call, const char *location, char *origin, size_t origin_size)
{
    CURLU *u = curl_url();
    char *url = NULL;
    bool ok = u && curl_url_set(u, CURLUPART_URL, call->url, 0) == CURLUE_OK &&
              curl_url_set(u, CURLUPART_URL, location, CURLU_URLENCODE) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_URL, &url, 0) == CURLUE_OK && url_origin(url, origin, origin_size);
    if (ok && strcmp(origin, call->host->origin) == 0) {
        curl_free(url);
        url = NULL;
        ok = url_copy_user(u, call->url) && curl_url_get(u, CURLUPART_URL, &url, 0) == CURLUE_OK;
    }
    curl_url_cleanup(u);
    if (ok) return url;
    curl_free(url);
    return NULL;
}

/* ---- What goes ---- */

/* Whether another origin may see this header of the user's: it can neither be a credential nor name the first host. An
 * Idempotency-Key goes on, or the other host would do twice what it is asked for twice. */
static bool header_is_harmless(const char *header)
{
    static const char *const names[] = {"Accept",
                                        "Accept-Encoding",
                                        "Accept-Language",
                                        "Cache-Control",
                                        "Content-Encoding",
                                        "Content-Language",
                                        "Content-Type",
                                        "Expect",
                                        "Idempotency-Key",
                                        "If-Match",
                                        "If-Modified-Since",
                                        "If-None-Match",
                                        "If-Range",
                                        "If-Unmodified-Since",
                                        "Prefer",
                                        "Range",
                                        "User-Agent"};
    size_t len = strcspn(header, ":;");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == len && strncasecmp(header, names[i], len) == 0) return true;
    return false;
}

static bool header_is_of_content(const char *header) { return strncasecmp(header, "Content-", 8) == 0; }

typedef struct redirect_change {
    bool crosses;    /* it leads to another origin */
    bool loses_body; /* the new request has no body */
} redirect_change;

/* The nodes lie in call->copied: leaving one out only links past it. */
static void headers_filter(http_call *call, redirect_change change)
{
    struct curl_slist **link = &call->headers;
    for (struct curl_slist *node = call->headers; node; node = node->next) {
        if (change.crosses && !header_is_harmless(node->data)) continue;
        if (change.loses_body && header_is_of_content(node->data)) continue;
        *link = node;
        link = &node->next;
    }
    *link = NULL;
}

/* 303 asks for the result with GET; 301 and 302 do so after POST, as every client takes them (15.4.2, 15.4.3). Other
 * methods and 307 and 308 are sent again as they were, body included. */
static bool redirect_loses_body(const http_call *call)
{
    if (call->status == 303) return true;
    return (call->status == 301 || call->status == 302) && strcmp(call->method, "POST") == 0;
}

/* Takes the URL. */
static void redirect_change_call(http_call *call, char *url, bool crosses)
{
    assert(call->redirects < call->redirects_max);
    const redirect_change change = {.crosses = crosses, .loses_body = redirect_loses_body(call)};
    headers_filter(call, change);
    if (change.loses_body) {
        if (strcmp(call->method, "HEAD") != 0) call->method = "GET";
        call->safe = true;
        call->body = NULL;
        call->body_len = 0;
    }
    curl_free(call->redirect_url);
    call->url = call->redirect_url = url;
    call->redirects++;
}

static void redirect_fail(http_call *call, const char *why)
{
    char *text = call_describe(call, why);
    call_end(call, HTTP_CALL_REDIRECT, text);
}

void redirect_follow(http_call *call)
{
    char origin[CLIENT_ORIGIN_BYTES_MAX], why[64];
    assert(call->redirected);
    assert(!call->easy);
    assert(call->stage == CALL_RUNNING);
    call->redirected = false;
    if (call->redirects >= call->redirects_max) {
        (void)snprintf(why, sizeof why, "more than %d redirects", call->redirects_max);
        redirect_fail(call, why);
        return;
    }
    char *url = redirect_resolve_url(call, redirect_location(call), origin, sizeof origin);
    if (!url) {
        redirect_fail(call, "the redirect leads to what is no valid http or https URL");
        return;
    }
    client_host *before = call->host, *next = host_ref(call->client, origin);
    if (!next) {
        curl_free(url);
        call_end(call, HTTP_CALL_OTHER, call_describe(call, "out of memory"));
        return;
    }
    redirect_change_call(call, url, next != before);
    call->host = next;
    call->stage = CALL_NEW;
    host_call_ended(before);
    call_begin(call);
}
