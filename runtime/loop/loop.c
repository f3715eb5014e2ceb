#include "runtime/loop/loop.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocks/blocks.h"
#include "runtime/base/log.h"
#include "runtime/clients/audience.h"
#include "runtime/clients/waiter.h"
#include "runtime/flow/schedules.h"
#include "runtime/loop/dispatch.h"
#include "runtime/loop/move.h"
#include "runtime/probe/probe.h"
#include "runtime/recovery/settings_start.h"
#include "runtime/run/board.h"
#include "runtime/run/calling.h"
#include "runtime/run/comeback.h"
#include "runtime/run/fork.h"
#include "runtime/run/lookout.h"
#include "runtime/run/plain.h"
#include "runtime/run/reopen.h"
#include "runtime/run/settings.h"
#include "runtime/run/suspects.h"

enum {
    CLOSING_PARTS = 4,   /* server, client, threads of sw_blocking and of long work; admin API's server, port, if any */
    TURN_REQUESTS = 256, /* then what they have touched is dealt with before more are taken */
    TURN_EVENTS = 256,   /* of connections, likewise: clients that go away come without requests */
    ADMIN_BODY_MAX = 65536, /* strangers may send it; also the most of a body with which an operator begins a run */
    TRIM_MS = 100,
    TRIM_BLOCKS_MS = 10 /* in small pieces: each holds up the loop */
};

/* ---- What the HTTP server says ---- */

static void loop_on_kept_reply(void *arg, uint64_t key, const http_kept_reply *reply)
{
    keeper_reply(&((sw_loop *)arg)->keeper, key, reply);
}

static bool loop_on_release(void *arg, uint64_t key) { return keeper_release(&((sw_loop *)arg)->keeper, key); }

static void loop_on_kept_ended(void *arg, uint64_t key) { keeper_ended(&((sw_loop *)arg)->keeper, key); }

static bool loop_on_leave(void *arg, int fd, const char *bytes, size_t len)
{
    return keeper_leave(&((sw_loop *)arg)->keeper, fd, false, bytes, len);
}

static bool loop_on_admin_leave(void *arg, int fd, const char *bytes, size_t len)
{
    return keeper_leave(&((sw_loop *)arg)->keeper, fd, true, bytes, len);
}

static void loop_on_missed(void *arg, const uint8_t note[HTTP_MISSED_NOTE_BYTES])
{
    waiter_report_missed(&((sw_loop *)arg)->home, note);
}

static void loop_on_timed(void *arg, const http_timing *t)
{
    durations_add_request(&((sw_loop *)arg)->home, t->about, t->status, clock_steady_us() - t->began_us);
}

/* ---- Turns ---- */

/* Runs all strands that are ready and deals with the runs that were touched, until neither is left. */
static void loop_end_turn(sw_loop *l)
{
    assert(!coro_current());
    l->turn_requests = l->turn_events = 0;
    do {
        sched_run(&l->home.sched, 0);
        for (run *r; (r = TAILQ_FIRST(&l->home.runs.touched));) {
            run_untouch(r);
            run_turn_end(r);
        }
        home_flush(&l->home);
        gate_look(&l->home);
        if (!l->stopping) http_client_flush(l->home.client);
    } while (l->home.sched.ready > 0 || !TAILQ_EMPTY(&l->home.runs.touched));
    slot_load_due(&l->home);
}

/* Cuts a turn of very many requests or events in pieces, so that the first of them are not answered after the last. */
static void loop_on_handled(void *arg)
{
    sw_loop *l = arg;
    if (l->turn_requests >= TURN_REQUESTS || ++l->turn_events >= TURN_EVENTS) loop_end_turn(l);
}

static void loop_check_drained(sw_loop *l);

/* Makes a turn: all is done there. */
static void loop_on_trim(uv_timer_t *h) { (void)h; }

/* Gives memory back that nobody needs any more. A loop without work comes here, too: the server's sweep wakes it, and
 * the timer as long as there is more. */
static void loop_trim(sw_loop *l)
{
    uint64_t now = uv_now(&l->uv), passed_ms = now - l->trimmed_blocks_ms;
    if (passed_ms < TRIM_BLOCKS_MS) return;
    l->trimmed_blocks_ms = now;
    bool more = blocks_trim(l->home.blocks, passed_ms);
    if (more && !l->stopping) (void)uv_timer_start(&l->trim, loop_on_trim, TRIM_BLOCKS_MS, 0);
    if (now - l->trimmed_ms < TRIM_MS) return;
    l->trimmed_ms = now;
    stack_pool_trim(l->home.stacks);
}

static void loop_on_turn(sw_loop *l)
{
    clock_watch_turn(&l->home);
    loop_end_turn(l);
    loop_trim(l);
    if (l->home.draining && !l->stopping) loop_check_drained(l);
}

static void loop_on_before_poll(uv_prepare_t *h)
{
    sw_loop *l = h->data;
    loop_on_turn(l);
    if (probe_on && probe_idle(&l->home)) loop_end_turn(l); /* before the poll: nothing else ends it soon */
    if (!l->stopping) __atomic_store_n(&l->home.connections, http_server_connections(l->server), __ATOMIC_RELAXED);
    durations_end_turn(&l->home.durations);
}

static void loop_on_after_poll(uv_check_t *h)
{
    sw_loop *l = h->data;
    (void)durations_turn_us(&l->home.durations);
    loop_on_turn(l);
}

_Static_assert((int)SETTINGS_TAG != (int)REOPEN_TAG && (int)SETTINGS_TAG != (int)FORK_TAG &&
                   (int)FORK_TAG != (int)REOPEN_TAG,
               "a tag tells whose segment it is");

/* Gives a segment back to whose it is: a tag that two had would be two equal cases. */
static void loop_give_back(store_segment *s)
{
    assert(s->len > 0 || s->rows); /* a run's entries, or a letter's row */
    switch (s->tag) {
    case SETTINGS_TAG:
        settings_committed(s);
        return;
    case REOPEN_TAG:
        reopen_committed(s);
        return;
    case FORK_TAG:
        fork_committed(s);
        return;
    case BOARD_TAG:
        board_committed(s);
        return;
    case MAIL_TAG:
        mailbox_committed(s);
        return;
    case MAILS_TAG:
        mailbox_cleared(s);
        return;
    case SCHEDULE_TAG:
        schedules_committed(s);
        return;
    case CALLING_TAG:
        calling_committed(s);
        return;
    case LOOKOUT_TAG:
        lookout_committed(s);
        return;
    default:
        break;
    }
    if (s->len == 0)
        letter_committed(s);
    else
        run_committed((run *)((char *)s - offsetof(run, segment)));
}

static void loop_on_committed(void *arg, store_segment *list)
{
    (void)arg;
    for (store_segment *s = list, *next; s; s = next) {
        next = s->next;
        loop_give_back(s);
    }
}

static void loop_on_store_change(void *arg)
{
    sw_loop *l = arg;
    gate_changed(&l->home);
    schedules_look(&l->home);
}

/* ---- Draining ---- */

static void loop_drain_runs(sw_loop *l)
{
    for (size_t i = 0; i < l->home.slots.bucket_count; i++)
        for (slot *s = l->home.slots.buckets[i], *next; s; s = next) {
            next = s->next;
            if (s->run)
                run_drain(s->run);
            else
                waiters_dismiss(&s->waiters);
        }
    run *r; /* a run that is not on disk yet is drained when it is */
    TAILQ_FOREACH(r, &l->home.runs.slotless, slotless)
    if (run_is_durable(r)) run_drain(r);
    if (l->home.replaced) waiters_leave_readers(&l->home);
    plain *p;
    if (!l->home.hurried) return;
    LIST_FOREACH(p, &l->home.runs.plain, in_home) plain_cut(p);
}

static void loop_on_drain_over(struct timer *t)
{
    sw_loop *l = t->arg;
    if (l->home.runs.count > 0)
        log_line(LOG_WARN, NULL, "loop %u still had %zu runs at the end of --drain: they will be resumed",
                 l->home.index, l->home.runs.count);
    else
        log_line(LOG_WARN, NULL, "loop %u had not sent all at the end of --drain: connections are cut", l->home.index);
    l->home.hurried = true;
    if (l->home.port) store_give_up(l->home.port);
    loop_drain_runs(l);
}

static void loop_begin_drain(sw_loop *l)
{
    assert(!l->home.draining && !l->stopping);
    l->home.draining = true;
    reopen_drain(&l->home);
    void (*server_end)(http_server *) = l->home.followed && !l->keeper.is_off ? http_server_leave : http_server_drain;
    server_end(l->server);
    if (l->admin_server) server_end(l->admin_server);
    loop_drain_runs(l);
    slot_recover_no_more(&l->home);
    settings_recover_no_more(&l->home);
    schedules_drain(&l->home);
    lookout_drain(&l->home);
    l->drain_timer = (struct timer){.fn = loop_on_drain_over, .arg = l, .has_reserve = true};
    (void)timers_start(&l->home.timers, &l->drain_timer, (uint64_t)l->home.opt->drain_ms);
}

static void loop_on_command(uv_async_t *h)
{
    sw_loop *l = h->data;
    __atomic_store_n(&l->answered, __atomic_load_n(&l->asked, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
    bool all_back = __atomic_load_n(&l->all_back, __ATOMIC_ACQUIRE);
    move_arrived(l);
    if (all_back) slot_watch_orphans(&l->home);
    if (l->home.suspects) suspects_look(&l->home);
    comeback_look(&l->home);
    board_look(&l->home);
    schedules_look_if_told(&l->home);
    if (__atomic_load_n(&l->drain_asked, __ATOMIC_ACQUIRE) && !l->home.draining) loop_begin_drain(l);
}

static void loop_wake(home *h)
{
    sw_loop *l = (sw_loop *)((char *)h - offsetof(sw_loop, home));
    uv_mutex_lock(&l->moved_lock);
    if (!l->moved_closed) (void)uv_async_send(&l->command);
    uv_mutex_unlock(&l->moved_lock);
}

void loop_drain(sw_loop *l, loop_end end)
{
    l->home.followed = end != LOOP_STOPPED;
    l->home.replaced = end == LOOP_REPLACED;
    __atomic_store_n(&l->drain_asked, true, __ATOMIC_RELEASE);
    (void)uv_async_send(&l->command);
}

void loop_all_back(sw_loop *l)
{
    __atomic_store_n(&l->all_back, true, __ATOMIC_RELEASE);
    (void)uv_async_send(&l->command);
}

void loop_ask(sw_loop *l)
{
    (void)__atomic_add_fetch(&l->asked, 1, __ATOMIC_RELEASE);
    (void)uv_async_send(&l->command);
}

bool loop_answered(const sw_loop *l)
{
    return __atomic_load_n(&l->answered, __ATOMIC_ACQUIRE) == __atomic_load_n(&l->asked, __ATOMIC_ACQUIRE);
}

static void loop_on_part_closed(void *arg)
{
    sw_loop *l = arg;
    assert(l->stopping && l->handles_open > 0);
    if (--l->handles_open > 0) return;
    timers_close(&l->home.timers);
    uv_close((uv_handle_t *)&l->before_poll, NULL);
    uv_close((uv_handle_t *)&l->after_poll, NULL);
    uv_close((uv_handle_t *)&l->trim, NULL);
    uv_close((uv_handle_t *)&l->command, NULL);
    clock_watch_close(&l->clock_watch);
}

static bool loop_has_clients(const sw_loop *l)
{
    return http_server_busy(l->server) || (l->admin_server && http_server_busy(l->admin_server));
}

static void loop_check_drained(sw_loop *l)
{
    assert(l->home.draining && !l->stopping);
    bool idle = l->home.runs.count == 0 && l->home.outbox.in_flight == 0 && l->home.slots.loading == 0 &&
                l->claims.looking == 0 && l->home.pages_made == 0 && (l->home.slots.recovered || !l->home.port) &&
                (!l->home.port || store_reads(l->home.port) == 0);
    if (!idle) return;
    /* A request that has begun to arrive is answered or left to the next process: its time is limited as always. */
    if ((loop_has_clients(l) || !keeper_all_told(&l->keeper)) && !l->home.hurried) return;
    if (!move_close(l)) return;
    assert(!l->home.outbox.first && !l->adopting);
    l->stopping = true;
    l->keeper.server = NULL;
    timers_stop(&l->home.timers, &l->drain_timer);
    l->handles_open = CLOSING_PARTS + (l->home.port != NULL) + (l->admin_server != NULL);
    http_server_stop(l->server, loop_on_part_closed, l);
    if (l->admin_server) http_server_stop(l->admin_server, loop_on_part_closed, l);
    http_client_stop(l->home.client, loop_on_part_closed, l);
    pool_door_close(&l->home.blocking, loop_on_part_closed, l);
    pool_door_close(&l->home.aside, loop_on_part_closed, l);
    if (l->home.port) store_port_close(l->home.port, loop_on_part_closed, l);
}

/* ---- Making ---- */

static bool loop_init_uv(sw_loop *l)
{
    if (uv_loop_init(&l->uv) != 0 || uv_mutex_init(&l->moved_lock) != 0) return false;
    if (uv_async_init(&l->uv, &l->command, loop_on_command) != 0 || uv_prepare_init(&l->uv, &l->before_poll) != 0 ||
        uv_check_init(&l->uv, &l->after_poll) != 0 || uv_prepare_start(&l->before_poll, loop_on_before_poll) != 0 ||
        uv_check_start(&l->after_poll, loop_on_after_poll) != 0 || uv_timer_init(&l->uv, &l->trim) != 0)
        return false;
    l->command.data = l->before_poll.data = l->after_poll.data = l;
    return timers_init(&l->home.timers, &l->uv) && clock_watch_open(&l->clock_watch, &l->home);
}

/* What both of a loop's servers have. */
static http_server_options loop_server_options(sw_loop *l)
{
    const sw_options *o = l->home.opt;
    return (http_server_options){.head_bytes_max = o->head_max,
                                 .body_bytes_max = (size_t)o->body_max,
                                 .blocks = l->home.blocks,
                                 .body_none = o->body_max == 0,
                                 .connections_max = (size_t)o->connections_max,
                                 .head_timeout_ms = (uint32_t)o->head_timeout_ms,
                                 .body_timeout_ms = (uint32_t)o->body_timeout_ms,
                                 .idle_timeout_ms = (uint32_t)o->idle_timeout_ms,
                                 .peer_timeout_ms = (uint32_t)o->peer_timeout_ms,
                                 .write_timeout_ms = (uint32_t)o->write_timeout_ms,
                                 .on_handled = loop_on_handled,
                                 .on_missed = loop_on_missed,
                                 .on_timed = loop_on_timed,
                                 .arg = l};
}

static http_server *loop_make_server(sw_loop *l, int fd, char *error, size_t error_size)
{
    http_server_options so = loop_server_options(l);
    so.descriptors_max = l->home.app->client_descriptors;
    so.on_request = dispatch_request;
    so.on_refusal = dispatch_refusal;
    so.on_kept_reply = loop_on_kept_reply;
    so.on_release = loop_on_release;
    so.on_ended = loop_on_kept_ended;
    so.on_leave = loop_on_leave;
    return http_server_start(&l->uv, fd, &so, error, error_size);
}

/* Nobody waits for a run at this door: no connection is kept. */
bool loop_open_admin(sw_loop *l, int fd, char *error, size_t error_size)
{
    http_server_options so = loop_server_options(l);
    assert(l->server && !l->admin_server);
    so.descriptors_max = l->home.app->admin_descriptors;
    so.connections_max = l->home.app->admin_connections;
    so.body_bytes_max = ADMIN_BODY_MAX;
    so.body_none = false;
    so.on_request = dispatch_admin_request;
    so.on_refusal = dispatch_admin_refusal;
    so.on_leave = loop_on_admin_leave;
    l->admin_server = http_server_start(&l->uv, fd, &so, error, error_size);
    return l->admin_server != NULL;
}

bool loop_is_admin_door(const home *h, const http_exchange *x)
{
    const sw_loop *l = (const sw_loop *)((const char *)h - offsetof(sw_loop, home));
    return l->admin_server && http_exchange_server(x) == l->admin_server;
}

bool loop_init(sw_loop *l, sw_app *app, int fd, char *error, size_t error_size)
{
    const unsigned index = (unsigned)(l - app->loops), count = app->loop_count;
    *l = (sw_loop){.stopping = false};
    const sw_options *o = &app->opt;
    assert(index < count && error_size > 0);
    (void)snprintf(error, error_size, "out of memory");
    if (!home_init(&l->home, app, index, count)) return false;
    l->home.listener = &audience;
    l->home.uv = &l->uv;
    l->home.claims = &l->claims;
    l->home.keeper = &l->keeper;
    l->home.move = move_request;
    l->home.wake = loop_wake;
    if (app->board) board_join(app->board, &l->home);
    bool keeps = app->control >= 0 && o->keep_after_ms > 0;
    size_t share = (size_t)o->keep_max / count + (index < (size_t)o->keep_max % count);
    keeper_init(&l->keeper, &l->home, app->control, app->worker, keeps ? share : 0);
    if (!loop_init_uv(l) || !schedules_join(&l->home) || !lookout_open(&l->home)) return false;
    l->home.client =
        http_client_new(&l->uv, &(http_client_options){.connections_per_host = (size_t)o->upstream_connections_per_host,
                                                       .names_max = (size_t)o->names_max,
                                                       .connect_timeout_ms = (uint32_t)o->connect_timeout_ms,
                                                       .proxy_guards = o->proxy_guards,
                                                       .lookup_threads = (unsigned)o->lookup_threads,
                                                       .ca_file = o->ca_file});
    if (!l->home.client || !pool_door_open(&l->home.blocking, app->blocking, &l->uv) ||
        !pool_door_open(&l->home.aside, app->aside, &l->uv))
        return false;
    if (app->store && !(l->home.port = store_port_open(app->store, &l->uv, loop_on_committed, l))) return false;
    if (l->home.port) store_port_on_change(l->home.port, loop_on_store_change);
    l->server = l->keeper.server = loop_make_server(l, fd, error, error_size);
    return l->server != NULL;
}

void loop_begin(sw_loop *l)
{
    if (!l->home.port) return;
    slot_recover(&l->home);
    settings_recover(&l->home);
    schedules_begin(&l->home);
    lookout_begin(&l->home);
}

void loop_finish(sw_loop *l)
{
    assert(l->stopping && l->handles_open == 0 && !l->moved);
    int rc = uv_loop_close(&l->uv);
    assert(rc == 0);
    (void)rc;
    slots_leave_ties(&l->home);
    keeper_free(&l->keeper);
    lookout_free(&l->home);
    home_free(&l->home);
}

void loop_free(sw_loop *l)
{
    durations_free(&l->home.durations, (uint32_t)l->home.opt->metric_series_max);
    uv_mutex_destroy(&l->moved_lock);
}

void loop_run(sw_loop *l)
{
    if (!overflow_thread_enter()) log_line(LOG_WARN, NULL, "no alternate signal stack: overflows will not be named");
    loop_begin(l);
    int rc = uv_run(&l->uv, UV_RUN_DEFAULT);
    assert(rc == 0);
    (void)rc;
    loop_finish(l);
    overflow_thread_leave();
}
