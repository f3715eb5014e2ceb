/* client: what users have asked of their calls turned into transfers, timeouts that curl does not watch, start and stop
 * of the client. */
#include "http/client/client.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/client/client_core.h"

enum {
    TRANSFERS_PER_HANDLE = 64,
    CONNECTIONS_PER_HOST = 1024,
    CALLS_MAX = 100000,
    NAMES_MAX = 1024,
    CONNECT_TIMEOUT_MS = 10000
};

/* ---- What users have asked for ---- */

static void client_on_tick(uv_timer_t *h);

void client_start_ticking(http_client *c)
{
    if (!uv_is_active((uv_handle_t *)&c->tick))
        (void)uv_timer_start(&c->tick, client_on_tick, CLIENT_TICK_MS, CLIENT_TICK_MS);
}

void call_watch_time(http_call *call)
{
    http_client *c = call->client;
    bool watched = call->silence_ms > 0 || call->awaits_until_ms > 0;
    bool needed = (watched && call->stage == CALL_RUNNING) || (call->timeout_ms > 0 && call->stage == CALL_WAITING) ||
                  call->stage == CALL_NAMING;
    if (!needed || call->in_timed) return;
    client_start_ticking(c);
    call->in_timed = true;
    c->timed_count++;
    TAILQ_INSERT_TAIL(&c->timed, call, timed);
}

void call_begin(http_call *call)
{
    client_host *host = call->host;
    assert(call->stage == CALL_NEW);
    assert(!call->easy);
    if (!host) { /* the options were refused, or the answer is canned */
        char *text = call->error_text;
        call->error_text = NULL;
        call_end(call, call->error, text);
        return;
    }
    if (host_has_room(host)) {
        call_launch(call);
    } else {
        call->stage = CALL_WAITING;
        TAILQ_INSERT_TAIL(&host->waiting, call, queue);
    }
    call_watch_time(call);
    host_unref(host);
}

static void call_drop(http_call *call)
{
    client_host *host = call->stage == CALL_NEW ? call->host : NULL;
    assert(call->closed);
    if (call->stage == CALL_WAITING) host_withdraw(call);
    if (call->stage == CALL_NAMING) names_withdraw(call);
    if (call->stage == CALL_RUNNING) transfer_remove(call);
    if (call->stage != CALL_ENDED) call_end(call, HTTP_CALL_OTHER, NULL);
    assert(call->stage == CALL_ENDED);
    if (host) host_unref(host);
    call_free(call);
}

static void call_do_todo(http_call *call)
{
    call->in_todo = false;
    if (call->closed) {
        call_drop(call);
        return;
    }
    if (call->stage == CALL_NEW) call_begin(call);
    if (call->must_resume) {
        call->must_resume = false;
        if (call->easy && call->paused) transfer_resume(call);
    }
}

void client_tell_news(http_client *c)
{
    if (c->telling) return;
    c->telling = true;
    for (http_call *call; (call = TAILQ_FIRST(&c->news));) {
        TAILQ_REMOVE(&c->news, call, news);
        assert(call->in_news);
        assert(!call->closed);
        call->in_news = false;
        call->on_change(call->arg);
    }
    c->telling = false;
}

void http_client_flush(http_client *c)
{
    for (http_call *call; (call = TAILQ_FIRST(&c->todo));) {
        assert(call->in_todo);
        TAILQ_REMOVE(&c->todo, call, todo);
        call_do_todo(call);
    }
    uv_unref((uv_handle_t *)&c->prepare);
    client_tell_news(c);
}

static void client_on_prepare(uv_prepare_t *h)
{
    http_client *c = h->data;
    http_client_flush(c);
    while (!TAILQ_EMPTY(&c->todo)) http_client_flush(c);
}

/* ---- Timeouts ---- */

static bool call_peer_is_silent(http_call *call, uint64_t now_ms)
{
    if (call->silence_ms <= 0 || call->stage != CALL_RUNNING || call->paused) return false;
    if (now_ms - call->last_byte_ms < (uint64_t)call->silence_ms) return false;
    curl_off_t uploaded = 0;
    (void)curl_easy_getinfo(call->easy->curl, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    if (uploaded == call->uploaded) return true;
    call->uploaded = uploaded;
    call->last_byte_ms = now_ms;
    return false;
}

static bool call_is_past_timeout(const http_call *call, uint64_t now_ms)
{
    return call->timeout_ms > 0 && now_ms - call->started_ms >= (uint64_t)call->timeout_ms;
}

/* The time for a connection includes that for the host's name. */
static bool call_is_named_too_late(const http_call *call, uint64_t now_ms)
{
    if (call->stage != CALL_NAMING) return false;
    if (call_is_past_timeout(call, now_ms)) return true;
    return now_ms - call->naming_ms >= call->client->options.connect_timeout_ms;
}

static void call_end_late(http_call *call, char *text) { call_end(call, HTTP_CALL_TIMEOUT, text); }

static void call_end_waiting(http_call *call)
{
    char *text = call_describe_late(call, "waited for a free connection to the host (--upstream-connections) for",
                                    call->timeout_ms, "timeout_ms");
    host_withdraw(call);
    call_end_late(call, text);
}

static void call_end_nameless(http_call *call, uint64_t now_ms)
{
    bool past = call_is_past_timeout(call, now_ms);
    names_withdraw(call);
    call_end_late(call, call_describe_late(call, "the host's name was not found within",
                                           past ? call->timeout_ms : (int64_t)call->client->options.connect_timeout_ms,
                                           past ? "timeout_ms" : "--connect-timeout"));
}

static void call_end_silent(http_call *call, const char *what)
{
    assert(call->easy);
    char *text = call_describe_late(call, what, call->silence_ms, "silence_ms");
    transfer_remove(call);
    call_end_late(call, text);
}

static bool call_end_if_late(http_call *call, uint64_t now_ms)
{
    if (call->closed) return false;
    if (call->stage == CALL_WAITING && call_is_past_timeout(call, now_ms))
        call_end_waiting(call);
    else if (call_is_named_too_late(call, now_ms))
        call_end_nameless(call, now_ms);
    else if (call_peer_is_silent(call, now_ms))
        call_end_silent(call, "nothing arrived for");
    else if (call->awaits_until_ms > 0 && call->stage == CALL_RUNNING && now_ms >= call->awaits_until_ms)
        call_end_silent(call, "only pings and comments arrived for");
    else
        return false;
    return true;
}

/* How many of `count` cached structs to free at this tick: a 256th of those above CLIENT_CACHED_MAX, so that thousands
 * of calls that end and begin in waves find most of theirs. */
static size_t cache_surplus(size_t count)
{
    return count > CLIENT_CACHED_MAX ? (count - CLIENT_CACHED_MAX + 255) / 256 : 0;
}

static void client_trim_caches(http_client *c)
{
    for (size_t n = cache_surplus(c->free_call_count); n > 0; n--) {
        http_call *call = TAILQ_LAST(&c->free_calls, call_list);
        assert(call);
        TAILQ_REMOVE(&c->free_calls, call, queue);
        c->free_call_count--;
        call_destroy(call);
    }
    for (size_t n = cache_surplus(c->free_easy_count); n > 0; n--) {
        client_easy *e = c->free_easies;
        assert(e);
        c->free_easies = e->next;
        c->free_easy_count--;
        easy_free(e);
    }
}

static void client_on_tick(uv_timer_t *h)
{
    http_client *c = h->data;
    uint64_t now_ms = uv_now(c->loop);
    assert((c->timed_count == 0) == TAILQ_EMPTY(&c->timed));
    /* The end of a call may launch others, and so change the list anywhere: each call is taken from the front of the
     * list and put back at its end. */
    for (size_t left = c->timed_count; left > 0 && !TAILQ_EMPTY(&c->timed); left--) {
        http_call *call = TAILQ_FIRST(&c->timed);
        if (call_end_if_late(call, now_ms)) continue;
        TAILQ_REMOVE(&c->timed, call, timed);
        TAILQ_INSERT_TAIL(&c->timed, call, timed);
    }
    client_trim_caches(c);
    bool is_full = c->free_call_count > CLIENT_CACHED_MAX || c->free_easy_count > CLIENT_CACHED_MAX;
    if (!idle_sweep(c) && TAILQ_EMPTY(&c->timed) && !is_full) (void)uv_timer_stop(h);
    client_tell_news(c);
}

/* ---- Start and stop ---- */

static bool curl_usable;

static void curl_init_once(void)
{
    /* A curl whose resolver has no threads of its own would stop the whole loop for each name that it looks up. */
    curl_usable = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK &&
                  (curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_ASYNCHDNS);
    struct sigaction now; /* OpenSSL writes with write(), which no flag keeps from raising SIGPIPE */
    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) (void)signal(SIGPIPE, SIG_IGN);
}

static CURLSH *share_new(void)
{
    CURLSH *share = curl_share_init();
    if (!share) return NULL;
    if (curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) == CURLSHE_OK &&
        curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK)
        return share;
    (void)curl_share_cleanup(share);
    return NULL;
}

static void client_free_parts(http_client *c)
{
    if (c->sweeper) curl_easy_cleanup(c->sweeper);
    names_free(c);
    if (c->share) (void)curl_share_cleanup(c->share);
    free(c->ca_file);
    free(c->ca_folder);
    free(c->user_agent);
    free(c->no_proxy);
    free(c->multis);
    free(c->sockets);
    free(c);
}

static bool text_copy(char **copy, const char *name)
{
    *copy = name ? strdup(name) : NULL;
    return *copy || !name;
}

/* Copies the names of the authorities' file and folder. OpenSSL's own programs and curl read the environment's too, but
 * go on to trust the system's folder beside a file: here what is named is trusted alone. False: out of memory, which
 * never means the system's authorities. */
static bool client_copy_authorities(http_client *c)
{
    const char *option = c->options.ca_file; /* an empty one is a file that cannot be read */
    return text_copy(&c->ca_file, option ? option : environment_value("SSL_CERT_FILE", NULL)) &&
           text_copy(&c->ca_folder, option ? NULL : environment_value("SSL_CERT_DIR", NULL));
}

static void client_set_options(http_client *c, const http_client_options *o)
{
    c->options = *o;
    if (!c->options.transfers_per_handle) c->options.transfers_per_handle = TRANSFERS_PER_HANDLE;
    if (!c->options.connections_per_host) c->options.connections_per_host = CONNECTIONS_PER_HOST;
    if (!c->options.names_max) c->options.names_max = NAMES_MAX;
    if (!c->options.lookup_threads) c->options.lookup_threads = RESOLVER_THREADS;
    if (!c->options.calls_max) c->options.calls_max = CALLS_MAX;
    if (!c->options.connect_timeout_ms) c->options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    c->user_agent = o->user_agent ? strdup(o->user_agent) : NULL;
}

http_client *http_client_new(uv_loop_t *loop, const http_client_options *options)
{
    static uv_once_t once = UV_ONCE_INIT;
    uv_once(&once, curl_init_once);
    http_client *c = curl_usable ? calloc(1, sizeof *c) : NULL;
    if (!c) return NULL;
    c->loop = loop;
    client_set_options(c, options);
    unsigned curl_version = curl_version_info(CURLVERSION_NOW)->version_num; /* computed anew by each call of it */
    c->reuses_easies = curl_version >= CLIENT_CURL_REUSES;
    c->ends_streams = curl_version >= CLIENT_CURL_ENDS_STREAMS;
    c->restores_authorities = curl_version >= CLIENT_CURL_RESTORES;
    TAILQ_INIT(&c->free_calls);
    TAILQ_INIT(&c->todo);
    TAILQ_INIT(&c->news);
    TAILQ_INIT(&c->timed);
    c->share = share_new();
    c->sweeper = idle_sweeper_new();
    if (!c->share || !c->sweeper || !proxies_init(c) || !client_copy_authorities(c) ||
        (options->user_agent && !c->user_agent) ||
        !(c->resolver = resolver_open(loop, c->options.lookup_threads, names_answered, c)) ||
        uv_prepare_init(loop, &c->prepare) != 0 || uv_timer_init(loop, &c->tick) != 0) {
        client_free_parts(c);
        return NULL;
    }
    c->prepare.data = c->tick.data = c;
    (void)uv_prepare_start(&c->prepare, client_on_prepare);
    uv_unref((uv_handle_t *)&c->prepare);
    uv_unref((uv_handle_t *)&c->tick);
    c->handles_open = 3; /* prepare, tick, and the resolver's */
    return c;
}

void client_handle_closed(http_client *c)
{
    assert(c->handles_open > 0);
    if (--c->handles_open > 0) return;
    assert(c->stopping);
    void (*on_closed)(void *) = c->on_closed;
    void *arg = c->on_closed_arg;
    client_free_parts(c);
    on_closed(arg);
}

static void client_on_handle_closed(uv_handle_t *h) { client_handle_closed(h->data); }
static void client_on_resolver_closed(void *client) { client_handle_closed(client); }

void http_client_stop(http_client *c, void (*on_closed)(void *arg), void *arg)
{
    assert(!c->stopping);
    assert(!c->telling);
    assert(on_closed);
    http_client_flush(c);
    c->stopping = true;
    assert(c->calls_open == 0);
    assert(c->calls_active == 0);
    assert(c->timed_count == 0);
    c->on_closed = on_closed;
    c->on_closed_arg = arg;
    for (http_call *call; (call = TAILQ_FIRST(&c->free_calls));) {
        TAILQ_REMOVE(&c->free_calls, call, queue);
        call_destroy(call);
    }
    for (client_easy *e; (e = c->free_easies);) {
        c->free_easies = e->next;
        easy_free(e);
    }
    for (size_t i = 0; i < c->multi_count; i++) multi_free(c->multis[i]);
    c->multi_count = 0;
    resolver_close(c->resolver, client_on_resolver_closed);
    uv_close((uv_handle_t *)&c->prepare, client_on_handle_closed);
    uv_close((uv_handle_t *)&c->tick, client_on_handle_closed);
}

size_t http_client_active(const http_client *client) { return client->calls_active; }
