/* transfer: a call as curl sees it: an easy handle, its options and callbacks. Owns the easy handles: one is lent to
 * each call that runs, and taken back when curl has let go of it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "coro/seeded_bug.h"
#include "http/client/client_core.h"
#include "http/client/handle.h"

enum {
    BUFFER_BYTES = 16 << 10 /* curl's receive buffer of each handle */,
    DNS_SECONDS = 60,
    ALIVE_SECONDS = 60 /* of silence, after which TCP asks whether the peer is still there */
};

/* ---- What leaves ---- */

/* curl writes a request again by itself when a reused connection breaks, when a peer refuses an HTTP/2 stream or wants
 * HTTP/1.1. Only a request with a safe method, which asks for nothing to be done, may go twice. */
bool transfer_may_send(const http_call *call) { return !call->sent || call->safe || BUG(CALL_AGAIN); }

/* curl calls this each time before it writes the request. */
static int transfer_on_send(void *arg, char *peer_ip, char *local_ip, int peer_port, int local_port)
{
    http_call *call = ((client_easy *)arg)->call;
    (void)peer_ip, (void)local_ip, (void)peer_port, (void)local_port;
    assert(call->easy == arg);
    if (!transfer_may_send(call) || !guard_may_send(call)) return CURL_PREREQFUNC_ABORT;
    call->sent = true;
    socket_on_send(arg);
    return CURL_PREREQFUNC_OK;
}

/* ---- Handles ---- */

/* Sets the authorities' file and folder if one of them is named. curl knows the system's by a file and by a folder:
 * both are replaced, a missing folder by /dev/null, in which there is none. A missing file is NULL, but from curl 8.21
 * on that would bring back the system's: there it is /dev/null too. */
static bool easy_set_authorities(CURL *h, const http_client *c)
{
    if (!c->ca_file && !c->ca_folder) return true;
    const char *folder = c->ca_folder ? c->ca_folder : "/dev/null";
    const char *file = c->ca_file || !c->restores_authorities ? c->ca_file : "/dev/null";
    return curl_easy_setopt(h, CURLOPT_CAINFO, file) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_CAPATH, folder) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_PROXY_CAINFO, file) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_PROXY_CAPATH, folder) == CURLE_OK;
}

static bool easy_set_common(client_easy *e, http_client *c)
{
    CURL *h = e->curl;
    bool ok = handle_prepare(h) && curl_easy_setopt(h, CURLOPT_PRIVATE, e) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_ERRORBUFFER, e->message) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER_BYTES) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK && /* a proxy's head is not ours */
              curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, answer_on_header) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_HEADERDATA, e) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, answer_on_body) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_WRITEDATA, e) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_TCP_KEEPIDLE, (long)ALIVE_SECONDS) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_TCP_KEEPINTVL, (long)ALIVE_SECONDS / 4) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, transfer_on_send) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_PREREQDATA, e) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, socket_open) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, e) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_CLOSESOCKETFUNCTION, socket_close) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_CLOSESOCKETDATA, c) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_SECONDS) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_SHARE, c->share) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_NOPROXY, "") == CURLE_OK && /* see proxy.c */
              curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)c->options.connect_timeout_ms) == CURLE_OK;
    if (ok) ok = easy_set_authorities(h, c);
    if (ok && c->user_agent) ok = curl_easy_setopt(h, CURLOPT_USERAGENT, c->user_agent) == CURLE_OK;
    return ok;
}

static client_easy *easy_get(http_client *c)
{
    client_easy *e = c->free_easies;
    if (e) {
        assert(!e->call);
        assert(c->free_easy_count > 0);
        c->free_easies = e->next;
        c->free_easy_count--;
        return e;
    }
    e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->curl = curl_easy_init();
    if (e->curl && easy_set_common(e, c)) return e;
    easy_free(e);
    return NULL;
}

void easy_free(client_easy *e)
{
    if (e->curl) curl_easy_cleanup(e->curl);
    free(e);
}

static void easy_put(http_client *c, client_easy *e)
{
    assert(!e->call || e->call->easy != e);
    if (!c->reuses_easies) {
        easy_free(e);
        return;
    }
    e->call = NULL;
    e->seat = NULL;
    e->next = c->free_easies;
    c->free_easies = e;
    if (++c->free_easy_count > CLIENT_CACHED_MAX) client_start_ticking(c);
}

/* Sets method and body by the options that tell curl whether a response has a body (HEAD) and a request has one. */
static bool easy_set_method(CURL *h, const http_call *call)
{
    const char *m = call->method;
    bool get = strcmp(m, "GET") == 0, head = strcmp(m, "HEAD") == 0, post = strcmp(m, "POST") == 0;
    if (curl_easy_setopt(h, CURLOPT_HTTPGET, 1L) != CURLE_OK) return false;
    if (call->body || post) {
        if (curl_easy_setopt(h, CURLOPT_POST, 1L) != CURLE_OK ||
            curl_easy_setopt(h, CURLOPT_POSTFIELDS, call->body ? call->body : "") != CURLE_OK ||
            curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len) != CURLE_OK)
            return false;
    } else if (head) {
        return curl_easy_setopt(h, CURLOPT_NOBODY, 1L) == CURLE_OK &&
               curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, NULL) == CURLE_OK;
    }
    bool is_curls = call->body ? post : get || post; /* the options above have set it */
    return curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, is_curls ? NULL : m) == CURLE_OK;
}

/* Returns the encodings that curl offers and unpacks; NULL: none, since the user's headers name some, and the user gets
 * the bytes as they come. curl unpacks at once what a paused stream has received, and buffers it: a stream offers only
 * encodings in which BUFFER_BYTES unpack to 16 MiB at most. */
static const char *call_encodings(const http_call *call)
{
    if (call->takes_encoded) return NULL;
    return call->streaming ? "deflate, gzip" : ""; /* "": all that curl knows */
}

/* Streams have a connection of their own: over HTTP/2 a peer may send 32 MiB (10 MiB with curl 8) for a paused stream,
 * and curl buffers all of it. So has a request that may not be made twice, with a curl that makes servers drop shared
 * connections (CLIENT_CURL_ENDS_STREAMS). */
static bool transfer_is_alone(const http_call *call)
{
    return call->streaming || (!call->safe && !call->client->ends_streams);
}

bool transfer_shares(const http_call *call)
{
    return !transfer_is_alone(call) && !call->public_only && strncasecmp(call->url, "https", 5) == 0;
}

static bool easy_set_version(CURL *h, const http_call *call)
{
    bool alone = transfer_is_alone(call), shares = transfer_shares(call);
    long version = alone ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS;
    return curl_easy_setopt(h, CURLOPT_HTTP_VERSION, version) == CURLE_OK &&
           /* over TLS wait for a connection that may turn out to carry many calls */
           curl_easy_setopt(h, CURLOPT_PIPEWAIT, shares ? 1L : 0L) == CURLE_OK;
}

static bool easy_set_call(CURL *h, const http_call *call)
{
    int64_t left_ms = 0;
    if (call->timeout_ms > 0) {
        left_ms = call->timeout_ms - (int64_t)(uv_now(call->client->loop) - call->started_ms);
        if (left_ms < 1) left_ms = 1;
    }
    return curl_easy_setopt(h, CURLOPT_URL, call->url) == CURLE_OK && easy_set_method(h, call) &&
           easy_set_version(h, call) && proxy_set_up(h, call) && guard_set_up(h, call) &&
           curl_easy_setopt(h, CURLOPT_HTTPHEADER, call->headers) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_RESOLVE, call->resolve_text ? &call->resolve : NULL) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, call_encodings(call)) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)left_ms) == CURLE_OK;
}

bool transfer_start(http_call *call)
{
    http_client *c = call->client;
    assert(call->stage == CALL_RUNNING);
    assert(!call->easy);
    client_easy *e = easy_get(c);
    client_seat *seat = e ? seat_take(call) : NULL;
    if (!seat || !easy_set_call(e->curl, call)) {
        if (seat) seat_leave(seat);
        if (e) easy_put(c, e);
        call_end(call, HTTP_CALL_OTHER, call_describe(call, "out of memory"));
        return false;
    }
    assert(seat->multi->client == c);
    e->call = call;
    e->seat = seat;
    e->opened = EASY_OPENED_NONE;
    e->message[0] = 0;
    call->easy = e;
    call->sent = call->reaches_public = false;
    call->barred = NULL;
    call->skipped = 0;
    call->last_byte_ms = uv_now(c->loop);
    CURLMcode rc = curl_multi_add_handle(seat->multi->curl, e->curl);
    if (rc == CURLM_OK) return true;
    call->easy = NULL;
    seat_leave(seat);
    easy_put(c, e);
    call_end(call, HTTP_CALL_OTHER, call_describe(call, curl_multi_strerror(rc)));
    return false;
}

void transfer_remove(http_call *call)
{
    client_easy *e = call->easy;
    assert(e->call == call);
    CURLMcode rc = curl_multi_remove_handle(e->seat->multi->curl, e->curl);
    assert(rc == CURLM_OK);
    (void)rc;
    seat_leave(e->seat);
    call->easy = NULL;
    easy_put(call->client, e);
}

void transfer_resume(http_call *call)
{
    assert(call->paused);
    assert(call->stage == CALL_RUNNING);
    call->paused = false;
    call->last_byte_ms = uv_now(call->client->loop); /* the pause was ours, no silence of the peer */
    CURLcode rc = curl_easy_pause(call->easy->curl, CURLPAUSE_CONT);
    if (rc == CURLE_OK && call->error == HTTP_CALL_OK) return;
    /* The bytes that curl had buffered during the pause are lost: going on would leave a hole in the body. */
    http_call_error_kind kind = rc == CURLE_BAD_CONTENT_ENCODING ? HTTP_CALL_UNREADABLE : HTTP_CALL_OTHER;
    if (call->error != HTTP_CALL_OK) kind = call->error;
    const char *why = call->refusal ? call->refusal : curl_easy_strerror(rc);
    char *text = call_describe(call, why);
    transfer_remove(call);
    call_end(call, kind, text);
}

/* Says why an answer that curl takes for a success is none. NULL: it is one. */
static const char *transfer_answer_misfit(const http_call *call)
{
    curl_off_t wire_bytes = 0;
    if (!call->head_final) return "the peer's answer has no status of its own";
    (void)curl_easy_getinfo(call->easy->curl, CURLINFO_SIZE_DOWNLOAD_T, &wire_bytes);
    return answer_cut_reason(call, wire_bytes);
}

/* Whether the transfer's answer was a redirect that is to be followed now. */
static bool transfer_was_redirected(const http_call *call, CURLcode result)
{
    bool failed = call->error != HTTP_CALL_OK || result == CURLE_OPERATION_TIMEDOUT; /* other results: a cut body */
    return call->redirected && !call->closed && !failed;
}

void transfer_on_done(CURL *curl, CURLcode result)
{
    client_easy *e = NULL;
    (void)curl_easy_getinfo(curl, CURLINFO_PRIVATE, (char **)&e);
    http_call *call = e->call;
    assert(call->easy == e);
    assert(call->stage == CALL_RUNNING);
    http_call_error_kind kind = HTTP_CALL_OK;
    const char *why;
    char *text = NULL;
    long version = CURL_HTTP_VERSION_NONE;
    (void)curl_easy_getinfo(curl, CURLINFO_HTTP_VERSION, &version);
    seat_learn_version(e->seat, version);
    if (transfer_was_redirected(call, result)) {
        transfer_remove(call);
        redirect_follow(call);
        return;
    }
    if (result != CURLE_OK || call->error != HTTP_CALL_OK) {
        kind = call_failure(call, result, &text);
        if (kind == HTTP_CALL_CONNECT || kind == HTTP_CALL_NOT_PUBLIC) names_forget_address(call);
    } else if ((why = transfer_answer_misfit(call)) != NULL) {
        kind = HTTP_CALL_BROKEN;
        text = call_describe(call, why);
    }
    transfer_remove(call);
    call_end(call, kind, text);
}
