/* The store from opening to closing, its ports and its metrics. */
#include "storage/store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/run_index.h"
#include "storage/store_core.h"

const char store_no_memory[] = "out of memory";

enum { DAY_MS = 86400000, QUEUE_BYTES = 256 << 20, SWEEP_INTERVAL_MS = 60000, STORE_SEGMENTS_OF_TURN = 256 };

static void store_set_options(store *s, const store_options *o)
{
    s->options = *o;
    s->options.path = NULL;
    s->options.backend = NULL;
    if (!s->options.retain_ms) s->options.retain_ms = 7LL * DAY_MS;
    if (!s->options.queue_bytes_max) s->options.queue_bytes_max = QUEUE_BYTES;
    if (!s->options.sweep_interval_ms) s->options.sweep_interval_ms = SWEEP_INTERVAL_MS;
}

/* Has the threads that run end. */
static void store_set_closing(store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    assert(!s->closing);
    s->closing = true;
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_cond_signal(&s->work);
    (void)pthread_cond_signal(&s->sweep);
    (void)pthread_cond_signal(&s->index_wake);
}

static bool store_start_threads(store *s, char *error, size_t error_size)
{
    unsigned started = 0;
    pthread_t *const threads[] = {&s->journal_thread, &s->sweep_thread, &s->index_thread};
    void *(*const mains[])(void *) = {store_journal_main, store_sweep_main, store_index_main};
    unsigned count = s->index ? 3 : 2;
    if (s->options.by_hand) return true;
    while (started < count && pthread_create(threads[started], NULL, mains[started], s) == 0) started++;
    if (started == count) return true;
    store_set_closing(s);
    while (started > 0) (void)pthread_join(*threads[--started], NULL);
    (void)snprintf(error, error_size, "no thread for the journal");
    return false;
}

static void store_free(store *s)
{
    run_index_free(s->index);
    if (s->backend) s->backend->ops->close(s->backend);
    (void)pthread_cond_destroy(&s->index_wake);
    (void)pthread_cond_destroy(&s->work);
    (void)pthread_cond_destroy(&s->sweep);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

static int condition_init(pthread_cond_t *c)
{
    pthread_condattr_t a;
    int rc = pthread_condattr_init(&a);
    if (rc != 0) return rc;
    rc = pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    if (rc == 0) rc = pthread_cond_init(c, &a);
    (void)pthread_condattr_destroy(&a);
    return rc;
}

static store *store_new(backend *b)
{
    store *s = calloc(1, sizeof *s);
    if (!s || pthread_mutex_init(&s->lock, NULL) != 0 || condition_init(&s->work) != 0 ||
        condition_init(&s->sweep) != 0 || condition_init(&s->index_wake) != 0) {
        free(s);
        return NULL;
    }
    s->backend = b;
    return s;
}

store *store_open_on(backend *b, const store_options *options, char *error, size_t error_size)
{
    assert(b->ops);
    store *s = store_new(b);
    bool ok = s && (!options->index || (s->index = run_index_new(b)));
    if (!ok) {
        (void)snprintf(error, error_size, "out of memory");
        if (s)
            store_free(s);
        else
            b->ops->close(b);
        return NULL;
    }
    store_set_options(s, options);
    int64_t seen_ms = b->ops->seen_ms(b);
    s->clock_is_back = seen_ms == 0 || store_now_ms(s) < seen_ms;
    if (b->ops->is_read_only(b)) store_begin_outage(s);
    if (store_start_threads(s, error, error_size)) return s;
    store_free(s);
    return NULL;
}

void store_close(store *s)
{
    assert(!s->ports);
    store_set_closing(s);
    if (s->index) run_index_give_up(s->index);
    if (!s->options.by_hand) {
        (void)pthread_join(s->journal_thread, NULL);
        (void)pthread_join(s->sweep_thread, NULL);
    }
    assert(!s->taken && !s->unknown);
    assert(!s->jobs);
    if (s->index) store_index_finish(s);
    assert(__atomic_load_n(&s->queue_bytes, __ATOMIC_RELAXED) == 0);
    store_free(s);
}

uint64_t store_epoch(const store *s) { return s->backend->ops->epoch(s->backend); }
bool store_clock_is_back(const store *s) { return s->clock_is_back; }
const char *store_node(const store *s) { return s->backend->ops->node(s->backend); }
const cluster *store_cluster(const store *s) { return s->backend->ops->cluster(s->backend); }
const uint8_t *store_secret(const store *s) { return s->backend->ops->secret(s->backend); }

/* ---- Ports ---- */

/* Cuts the segments that go back to the loop in this turn off p->given: STORE_SEGMENTS_OF_TURN at most, so that the
 * loop has answered the first before it looks at the last, and takes what has come meanwhile. `all`: the journal will
 * take writes again, and by then all who have a segment of a failed write must know. */
static store_segment *port_cut_given(store_port *p, bool all)
{
    store_segment *first = p->given.head, *last = first;
    if (!first) return NULL;
    for (size_t n = 1; last->next && (all || n < STORE_SEGMENTS_OF_TURN); n++) last = last->next;
    p->given.head = last->next;
    if (!last->next) p->given.tail = NULL;
    last->next = NULL;
    return first;
}

static void port_on_wake(uv_async_t *h)
{
    store_port *p = h->data;
    (void)pthread_mutex_lock(&p->store->lock);
    segments_append(&p->given, &p->done);
    bool changed = p->changed, all = p->all_at_once;
    p->changed = p->all_at_once = false;
    (void)pthread_mutex_unlock(&p->store->lock);
    store_segment *list = port_cut_given(p, all);
    if (p->given.head) (void)uv_async_send(h); /* it never fails for a handle that is open */
    if (list) p->on_committed(p->arg, list);
    if (changed && p->on_change) p->on_change(p->arg);
    store_answer_jobs(p);
}

store_port *store_port_open(store *s, uv_loop_t *loop, void (*on_committed)(void *arg, store_segment *list), void *arg)
{
    assert(on_committed);
    store_port *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    if (uv_async_init(loop, &p->wake, port_on_wake) != 0) {
        free(p);
        return NULL;
    }
    p->store = s;
    p->taken.port = p->unknown.port = p;
    p->wake.data = p;
    p->on_committed = on_committed;
    p->arg = arg;
    (void)pthread_mutex_lock(&s->lock);
    assert(!s->closing);
    p->next = s->ports;
    s->ports = p;
    (void)pthread_mutex_unlock(&s->lock);
    return p;
}

void store_port_on_change(store_port *p, void (*on_change)(void *arg)) { p->on_change = on_change; }

static void port_on_closed(uv_handle_t *h)
{
    store_port *p = h->data;
    void (*on_closed)(void *) = p->on_closed;
    void *arg = p->closed_arg;
    free(p);
    on_closed(arg);
}

void store_port_close(store_port *p, void (*on_closed)(void *arg), void *arg)
{
    store *s = p->store;
    (void)pthread_mutex_lock(&s->lock);
    assert(!p->queued.head && !p->done.head && !p->given.head);
    assert(!p->taken.list.head && !p->unknown.list.head);
    assert(p->reads == 0);
    assert(!p->answers);
    store_port **at = &s->ports;
    while (*at != p) at = &(*at)->next;
    *at = p->next;
    (void)pthread_mutex_unlock(&s->lock);
    p->on_closed = on_closed;
    p->closed_arg = arg;
    uv_close((uv_handle_t *)&p->wake, port_on_closed);
}

/* ---- Metrics ---- */

void store_stats_get(const store *s, store_stats *out)
{
    *out = (store_stats){.commits = __atomic_load_n(&s->commits, __ATOMIC_RELAXED),
                         .segments = __atomic_load_n(&s->segments, __ATOMIC_RELAXED),
                         .bytes = __atomic_load_n(&s->bytes, __ATOMIC_RELAXED),
                         .commit_errors = __atomic_load_n(&s->commit_errors, __ATOMIC_RELAXED),
                         .queue_bytes = __atomic_load_n(&s->queue_bytes, __ATOMIC_RELAXED),
                         .disk_bytes = __atomic_load_n(&s->disk_bytes, __ATOMIC_RELAXED),
                         .runs_deleted = __atomic_load_n(&s->runs_deleted, __ATOMIC_RELAXED),
                         .read_only = !store_takes_writes(s) || __atomic_load_n(&s->gated, __ATOMIC_RELAXED)};
}
