/* call: what the user has of a call: its start, its state, its bytes, its end. Runs on a coroutine's stack, but for the
 * part that says otherwise. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "http/client/client_core.h"

enum { BODY_BYTES_MAX = 16 << 20 };

static void call_add_todo(http_call *call)
{
    if (call->in_todo) return;
    call->in_todo = true;
    uv_ref((uv_handle_t *)&call->client->prepare); /* the loop must not end before the next flush */
    TAILQ_INSERT_TAIL(&call->client->todo, call, todo);
}

void call_announce(http_call *call)
{
    if (call->in_news || call->closed) return;
    call->in_news = true;
    TAILQ_INSERT_TAIL(&call->client->news, call, news);
}

/* ---- Starting ---- */

/* Takes a cached call, emptied but for its buffers, or allocates one. NULL: no memory. */
static http_call *call_allocate(http_client *c)
{
    http_call *call = TAILQ_FIRST(&c->free_calls);
    if (!call) return calloc(1, sizeof *call);
    assert(c->free_call_count > 0);
    TAILQ_REMOVE(&c->free_calls, call, queue);
    c->free_call_count--;
    http_call former = *call;
    *call = (http_call){.copied = former.copied,
                        .copied_cap = former.copied_cap,
                        .head = former.head,
                        .front = former.front,
                        .back = former.back};
    return call;
}

static http_call *call_new(http_client *c, void (*on_change)(void *arg), void *arg)
{
    assert(!c->stopping);
    assert(on_change);
    http_call *call = call_allocate(c);
    if (!call) return NULL;
    call->client = c;
    call->on_change = on_change;
    call->arg = arg;
    call->url = call->method = "";
    call->started_ns = uv_hrtime();
    return call;
}

void call_destroy(http_call *call)
{
    bytes_free(&call->head);
    bytes_free(&call->front);
    bytes_free(&call->back);
    free(call->copied);
    free(call);
}

void call_free(http_call *call)
{
    http_client *c = call->client;
    assert(call->closed);
    assert(call->stage == CALL_ENDED);
    assert(!call->easy);
    assert(!call->host);
    assert(!call->name);
    assert(!call->in_todo);
    assert(!call->in_timed);
    assert(c->calls_open > 0);
    if (call->in_news) TAILQ_REMOVE(&c->news, call, news);
    free(call->error_text);
    free(call->headers_out);
    curl_free(call->redirect_url);
    free(call->resolve_text);
    c->calls_open--;
    if (call->copied_cap > CLIENT_REUSED_BYTES_MAX || c->stopping) {
        call_destroy(call);
        return;
    }
    bytes_recycle(&call->head);
    bytes_recycle(&call->front);
    bytes_recycle(&call->back);
    TAILQ_INSERT_HEAD(&c->free_calls, call, queue);
    if (++c->free_call_count > CLIENT_CACHED_MAX) client_start_ticking(c);
}

http_call *http_call_start(http_client *c, const http_call_options *o, void (*on_change)(void *arg), void *arg)
{
    char origin[CLIENT_ORIGIN_BYTES_MAX];
    bool out_of_memory = false;
    http_call *call = call_new(c, on_change, arg);
    if (!call) return NULL;
    call->timeout_ms = o->timeout_ms;
    call->silence_ms = o->silence_ms;
    call->redirects_max = o->redirects_max;
    call->body_bytes_max = o->body_bytes_max ? o->body_bytes_max : BODY_BYTES_MAX;
    call->streaming = o->streaming;
    call->public_only = o->public_only;
    call->started_ms = uv_now(c->loop);
    call->error = call_copy_options(call, o, origin, sizeof origin, &out_of_memory);
    if (call->error == HTTP_CALL_OK && c->calls_active >= c->options.calls_max) call->error = HTTP_CALL_BUSY;
    if (call->error == HTTP_CALL_OK && !(call->host = host_ref(c, origin))) out_of_memory = true;
    if (out_of_memory) {
        call_destroy(call);
        return NULL;
    }
    if (call->error != HTTP_CALL_OK) call->error_text = call_describe_refusal(c, o, call->error);
    c->calls_open++;
    c->calls_active++;
    call_add_todo(call);
    return call;
}

static bool call_copy_canned(http_call *call, const http_canned *answer)
{
    bool ok = true;
    for (const char *const *h = answer->headers; h && *h && ok; h++, call->header_count++)
        ok = bytes_append(&call->head, *h, strlen(*h) + 1);
    if (answer->body_len > 0 && ok) ok = bytes_append(&call->front, answer->body, answer->body_len);
    if (answer->error_text && ok) ok = (call->error_text = strdup(answer->error_text)) != NULL;
    call->received = answer->body_len;
    call->status = answer->status;
    call->head_final = answer->status > 0;
    call->error = answer->error;
    return ok;
}

http_call *http_call_canned(http_client *c, const http_canned *answer, void (*on_change)(void *arg), void *arg)
{
    http_call *call = call_new(c, on_change, arg);
    if (!call) return NULL;
    if (!call_copy_canned(call, answer)) {
        free(call->error_text);
        call_destroy(call);
        return NULL;
    }
    c->calls_open++;
    if (answer->never) {
        call->stage = CALL_ENDED; /* for the client: it has nothing to do for this call before its close */
        return call;
    }
    c->calls_active++;
    call_add_todo(call);
    return call;
}

/* ---- On the loop's stack ---- */

void call_unwatch_time(http_call *call)
{
    if (!call->in_timed) return;
    assert(call->client->timed_count > 0);
    call->in_timed = false;
    call->client->timed_count--;
    TAILQ_REMOVE(&call->client->timed, call, timed);
}

void call_launch(http_call *call)
{
    client_host *host = call->host;
    assert(call->stage == CALL_NEW || call->stage == CALL_WAITING);
    call->stage = CALL_RUNNING;
    host_call_started(host);
    call->proxied = proxy_applies(call->client, host->origin);
    if (!guard_admits(call)) return;
    if (names_provide(call))
        call_launch_named(call);
    else
        call_watch_time(call);
}

void call_launch_named(http_call *call)
{
    assert(call->stage == CALL_RUNNING || call->stage == CALL_NAMING);
    assert(!call->name);
    call->stage = CALL_RUNNING;
    if (call->silence_ms <= 0) call_unwatch_time(call);
    if (transfer_start(call)) call_watch_time(call);
}

void call_end(http_call *call, http_call_error_kind kind, char *text)
{
    client_host *host = call->host;
    bool counted = call->stage == CALL_RUNNING || call->stage == CALL_NAMING;
    assert(call->stage != CALL_ENDED);
    assert(!call->easy);
    assert(!call->name);
    assert(call->client->calls_active > 0);
    call_unwatch_time(call);
    call->stage = CALL_ENDED;
    call->ended_ns = uv_hrtime();
    call->client->calls_active--;
    call->host = NULL;
    call->error = kind;
    free(call->error_text);
    call->error_text = text;
    call->state = kind == HTTP_CALL_OK ? HTTP_CALL_DONE : HTTP_CALL_FAILED;
    call_announce(call);
    if (counted) host_call_ended(host);
}

bool call_take_body(http_call *call, const char *data, size_t len)
{
    bool was_empty = call->front.len == 0 && call->back.len == 0;
    assert(call->head_final);
    assert(call->stage == CALL_RUNNING);
    client_bytes *to = call->exposed || call->back.len > 0 ? &call->back : &call->front;
    if (!bytes_append(to, data, len)) return false;
    /* `exposed` counts as empty: its user has seen all of the front, and looks again only when told */
    if (call->streaming && (was_empty || call->exposed)) call_announce(call);
    return true;
}

static void call_show_back(http_call *call)
{
    client_bytes empty = call->front;
    assert(empty.len == 0);
    call->front = call->back;
    call->back = empty;
}

/* Appends what has arrived since the user last looked, or a user who waits for more than lies in front, without
 * consuming any of it, would wait for ever. Only called when the user looks again: until then its pointer into front is
 * good. */
static void call_gather_body(http_call *call)
{
    if (call->back.len == 0) return;
    if (call->front.len == 0) {
        call_show_back(call);
    } else if (bytes_append(&call->front, call->back.data + call->back.start, call->back.len)) {
        bytes_consume(&call->back, call->back.len);
    } else if (call->stage == CALL_ENDED) { /* no memory: HTTP_CALL_DONE would promise a body that cannot be shown */
        call->state = HTTP_CALL_FAILED;
        call->error = HTTP_CALL_OTHER;
    }
}

/* ---- What the user sees ---- */

http_call_state http_call_state_of(const http_call *call) { return call->state; }
bool http_call_answered(const http_call *call) { return call->head_final; }
int http_call_status(const http_call *call) { return call->status; }
uint64_t http_call_received(const http_call *call) { return call->received; }
const char *http_call_url(const http_call *call) { return call->asked_url; }

uint64_t http_call_took_us(const http_call *call)
{
    return ((call->ended_ns ? call->ended_ns : uv_hrtime()) - call->started_ns) / 1000;
}

const char *const *http_call_headers(const http_call *call)
{
    static const char *const none[] = {NULL};
    http_call *own = (http_call *)(uintptr_t)call; /* the table is made at the first look */
    if (own->headers_out) return own->headers_out;
    if (!call->head_final) return none;
    own->headers_out = calloc(call->header_count + 1, sizeof *own->headers_out);
    if (!own->headers_out) return none;
    const char *at = call->head.data ? call->head.data + call->head.start : "";
    for (size_t i = 0; i < call->header_count; i++, at += strlen(at) + 1) own->headers_out[i] = at;
    return own->headers_out;
}

const char *http_call_data(const http_call *call, size_t *len)
{
    http_call *own = (http_call *)(uintptr_t)call;
    assert(!call->closed);
    call_gather_body(own);
    own->exposed = call->front.len > 0;
    *len = call->front.len;
    return call->front.len > 0 ? call->front.data + call->front.start : "";
}

void http_call_consume(http_call *call, size_t len)
{
    assert(!call->closed);
    bytes_consume(&call->front, len);
    if (call->front.len == 0) call->exposed = false;
    if (!call->paused || call->front.len + call->back.len > CLIENT_UNTAKEN_BYTES_MAX / 2) return;
    call->must_resume = true;
    call_add_todo(call);
}

void http_call_await(http_call *call, int64_t within_ms)
{
    uint64_t now_ms = uv_now(call->client->loop);
    assert(!call->closed);
    call->awaits_until_ms = within_ms > 0 ? now_ms + (uint64_t)within_ms : 0;
    call_watch_time(call);
}

http_call_error_kind http_call_error(const http_call *call) { return call->error; }

const char *http_call_error_text(const http_call *call)
{
    return call->error_text ? call->error_text : outcome_text(call->error);
}

void http_call_close(http_call *call)
{
    assert(!call->closed);
    call->closed = true;
    if (call->in_news) {
        call->in_news = false;
        TAILQ_REMOVE(&call->client->news, call, news);
    }
    call_add_todo(call);
}
