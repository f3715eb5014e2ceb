#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/server/date.h"
#include "http/server/server_core.h"

static void server_on_idle(uv_idle_t *idle);

void server_add_ready(http_conn *c)
{
    http_server *s = c->server;
    assert(!s->idle_closing); /* it closes behind the last connection */
    if (c->is_in_ready) return;
    c->is_in_ready = true;
    if (TAILQ_EMPTY(&s->ready)) {
        int failed = uv_idle_start(&s->idle, server_on_idle);
        assert(failed == 0); /* it only fails without a callback */
        (void)failed;
    }
    TAILQ_INSERT_TAIL(&s->ready, c, ready);
}

/* Runs the first connections of the list, each once; those that list themselves again meanwhile, and all beyond
 * SERVER_READY_OF_TURN, wait for the loop's next turn, so that it reads requests between them. */
static void server_on_idle(uv_idle_t *idle)
{
    http_server *s = idle->data;
    http_conn *last = TAILQ_LAST(&s->ready, conn_list), *c = NULL;
    for (size_t n = 0; n < SERVER_READY_OF_TURN && c != last && !TAILQ_EMPTY(&s->ready); n++) {
        c = TAILQ_FIRST(&s->ready);
        TAILQ_REMOVE(&s->ready, c, ready);
        c->is_in_ready = false;
        conn_run_ready(c);
    }
    if (!TAILQ_EMPTY(&s->ready) || s->idle_closing) return;
    int failed = uv_idle_stop(idle);
    assert(failed == 0); /* it never fails */
    (void)failed;
}

conn_block *server_block_take(http_server *s)
{
    conn_block *block = s->spare;
    if (!block) return malloc(sizeof(*block));
    assert(s->spare_count > 0);
    s->spare = block->next;
    s->spare_count--;
    return block;
}

void server_block_give(http_server *s, conn_block *block)
{
    assert(s->spare_count <= SERVER_SPARE_BLOCKS);
    if (s->spare_count == SERVER_SPARE_BLOCKS) {
        free(block);
        return;
    }
    block->next = s->spare;
    s->spare = block;
    s->spare_count++;
}

const char *server_date(http_server *s)
{
    char text[HTTP_DATE_BYTES];
    time_t now = time(NULL);
    if (now == s->date_at) return s->date;
    s->date_at = now;
    http_date(now, text);
    int len = snprintf(s->date, sizeof(s->date), "Date: %s\r\n", text);
    assert(len == SERVER_DATE_BYTES - 1);
    (void)len;
    return s->date;
}

static void server_on_sweep(uv_timer_t *timer)
{
    http_server *s = timer->data;
    uint64_t now = uv_now(s->loop);
    for (int kind = WATCH_NONE + 1; kind < WATCH_COUNT && !s->stopping; kind++) {
        http_conn *c, *last = NULL;
        while ((c = TAILQ_FIRST(&s->watched[kind])) && now - c->stamp_ms >= s->timeouts_ms[kind]) {
            assert((int)c->watch == kind);
            assert(c != last); /* a time-out moves a connection to another list, behind in this one, or closes it */
            last = c;
            conn_timeout(c);
        }
    }
    if (!s->stopping) listener_sweep(s);
}

static uint64_t server_sweep_interval_ms(const http_server *s)
{
    uint64_t shortest = SERVER_LINGER_MS;
    for (int kind = WATCH_NONE + 1; kind < WATCH_COUNT; kind++) {
        if (s->timeouts_ms[kind] < shortest) shortest = s->timeouts_ms[kind];
    }
    return shortest / 4 < 10 ? 10 : shortest / 4;
}

static void server_set_defaults(http_server *s)
{
    http_server_options *o = &s->options;
    if (o->head_bytes_max == 0) o->head_bytes_max = 16384;
    if (o->headers_max == 0) o->headers_max = 100;
    if (o->body_none)
        o->body_bytes_max = 0;
    else if (o->body_bytes_max == 0)
        o->body_bytes_max = (size_t)8 << 20;
    if (o->connections_max == 0) o->connections_max = 10000;
    if (o->write_queue_bytes_max == 0) o->write_queue_bytes_max = 256 << 10;
    if (o->head_timeout_ms == 0) o->head_timeout_ms = 10000;
    if (o->body_timeout_ms == 0) o->body_timeout_ms = 20000;
    if (o->idle_timeout_ms == 0) o->idle_timeout_ms = 75000;
    if (o->write_timeout_ms == 0) o->write_timeout_ms = 60000;
    s->limits = (request_limits){o->head_bytes_max, o->headers_max, o->body_bytes_max};
    s->timeouts_ms[WATCH_IDLE] = o->idle_timeout_ms;
    s->timeouts_ms[WATCH_HEAD] = o->head_timeout_ms;
    s->timeouts_ms[WATCH_BODY] = o->body_timeout_ms;
    s->timeouts_ms[WATCH_WRITE] = o->write_timeout_ms;
    s->timeouts_ms[WATCH_LINGER] = SERVER_LINGER_MS;
}

static http_server *server_new(uv_loop_t *loop, const http_server_options *options, char *error, size_t error_size)
{
    const char *name = options->name ? options->name : "";
    http_server *s = http_header_valid("Server", name) ? calloc(1, sizeof(*s)) : NULL;
    int header_len = s && *name ? asprintf(&s->server_header, "Server: %s\r\n", name) : 0;
    if (!s || header_len < 0) {
        snprintf(error, error_size, "http: out of memory, or a Server name with bytes that no header may hold");
        free(s);
        return NULL;
    }
    s->server_header_len = (size_t)header_len;
    s->loop = loop;
    s->options = *options;
    s->options.name = NULL; /* borrowed for this call only; server_header has its copy */
    s->listener.fd = s->listener.reserve_fd = -1;
    for (int kind = 0; kind < WATCH_COUNT; kind++) TAILQ_INIT(&s->watched[kind]);
    TAILQ_INIT(&s->all);
    TAILQ_INIT(&s->ready);
    server_set_defaults(s);
    return s;
}

static void server_free(http_server *s)
{
    assert(s->conns == 0 && s->exchanges == 0);
    assert(s->connections == 0 && s->extras == 0);
    assert(TAILQ_EMPTY(&s->all) && TAILQ_EMPTY(&s->ready));
    assert(s->listener.fd < 0);
    while (s->spare) {
        conn_block *block = s->spare;
        s->spare = block->next;
        free(block);
    }
    free(s->server_header);
    free(s);
}

http_server *http_server_start(uv_loop_t *loop, int fd, const http_server_options *options, char *error,
                               size_t error_size)
{
    assert(options->on_request);
    assert(!options->on_release == !options->on_kept_reply); /* connections are kept, or none is */
    assert(!options->on_release || options->on_ended);
    http_server *s = server_new(loop, options, error, error_size);
    if (!s) return NULL;
    if (!listener_start(s, fd, error, error_size)) {
        server_free(s);
        return NULL;
    }
    uint64_t interval = server_sweep_interval_ms(s);
    int failed = uv_idle_init(loop, &s->idle) || uv_timer_init(loop, &s->sweep) ||
                 uv_timer_start(&s->sweep, server_on_sweep, interval, interval);
    assert(!failed); /* none of them allocates or asks the kernel */
    (void)failed;
    s->idle.data = s->sweep.data = s;
    s->handles_open += 2;
    return s;
}

bool server_closing(const http_server *s) { return s->draining && !s->leaving; }

void http_server_leave(http_server *s)
{
    assert(s->options.on_leave);
    s->leaving = !s->draining;
    http_server_drain(s);
}

void http_server_drain(http_server *s)
{
    http_conn *c;
    assert(!s->stopping);
    if (s->draining) return;
    s->draining = true;
    listener_stop(s);
    TAILQ_FOREACH(c, &s->all, all)
    {
        if (c->state.life == LIFE_READING) server_add_ready(c);
    }
}

void http_server_holder_ready(http_server *s)
{
    http_conn *c;
    TAILQ_FOREACH(c, &s->all, all)
    {
        if (c->state.holder == HOLDER_HUNG_UP || (conn_kept(c) && c->state.exchange == EXCHANGE_NONE))
            server_add_ready(c);
    }
}

void server_handle_closed(uv_handle_t *handle)
{
    http_server *s = handle->data;
    assert(s->handles_open > 0);
    if (--s->handles_open > 0) return;
    void (*on_closed)(void *) = s->on_closed;
    void *arg = s->on_closed_arg;
    server_free(s);
    if (on_closed) on_closed(arg);
}

/* Closes the idle handle behind the last connection: open exchanges may still list theirs in `ready`. */
static void server_close_idle_when_done(http_server *s)
{
    if (!s->stopping || s->conns > 0 || s->idle_closing) return;
    s->idle_closing = true;
    uv_close((uv_handle_t *)&s->idle, server_handle_closed);
}

void server_conn_freed(http_server *s)
{
    assert(s->conns > 0);
    s->conns--;
    server_close_idle_when_done(s);
}

void http_server_stop(http_server *s, void (*on_closed)(void *arg), void *arg)
{
    http_conn *c;
    assert(!s->stopping);
    assert(s->handles_open > 0);
    TAILQ_FOREACH(c, &s->all, all)
    {
        if (!conn_is_closed(&c->state)) (void)conn_leave(c); /* it may have become idle a moment ago */
    }
    s->stopping = s->draining = true;
    s->on_closed = on_closed;
    s->on_closed_arg = arg;
    listener_stop(s);
    /* No connection is freed in this loop: libuv tells of their closing later. */
    TAILQ_FOREACH(c, &s->all, all)
    {
        if (!conn_is_closed(&c->state)) conn_close(c);
    }
    uv_close((uv_handle_t *)&s->sweep, server_handle_closed);
    server_close_idle_when_done(s);
}

size_t http_server_connections(const http_server *s) { return s->connections; }
size_t http_server_exchanges(const http_server *s) { return s->exchanges; }

bool http_server_busy(const http_server *s)
{
    const http_conn *c;
    if (s->exchanges > 0) return true;
    TAILQ_FOREACH(c, &s->all, all)
    {
        if (conn_busy(c)) return true;
    }
    return false;
}
