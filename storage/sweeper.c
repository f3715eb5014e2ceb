/* Retention: a thread that now and then deletes ended runs whose time has come, or the oldest ones while the store is
 * over its size. Deletes in small batches, so that commits go on between them. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "storage/clock_belief.h"
#include "storage/run_index.h"
#include "storage/store_by_hand.h"
#include "storage/store_core.h"

enum { BATCH_RUNS = 1000 };

static bool store_is_closing(store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    bool closing = s->closing;
    (void)pthread_mutex_unlock(&s->lock);
    return closing;
}

static void add_runs_deleted(store *s, const backend_sweep *at, long n)
{
    if (n > 0 && s->index) run_index_tell_gone(s->index, at->deleted, at->deleted_count, !s->options.by_hand);
    if (n > 0) (void)__atomic_add_fetch(&s->runs_deleted, (uint64_t)n, __ATOMIC_RELAXED);
}

static void sweep_age(store *s, backend_sweep *at)
{
    long n;
    do {
        n = s->backend->ops->sweep_age(s->backend, at, BATCH_RUNS);
        add_runs_deleted(s, at, n);
    } while (n >= 0 && !at->done && !store_is_closing(s));
    if (n < 0) store_doubt(s);
}

/* Deletes the oldest ended runs until `excess` bytes are freed. False: nothing could be freed. */
static bool sweep_bytes(store *s, backend_sweep *at, uint64_t excess)
{
    uint64_t sum = 0, freed;
    assert(excess > 0);
    long n;
    do {
        n = s->backend->ops->sweep_bytes(s->backend, at, excess - sum, BATCH_RUNS, &freed);
        add_runs_deleted(s, at, n);
        if (n > 0) sum += freed;
    } while (n >= 0 && !at->done && sum < excess && !store_is_closing(s));
    if (n < 0) store_doubt(s);
    if (sum > 0 && !store_is_closing(s)) s->backend->ops->sweep_give_back(s->backend, at);
    return sum > 0;
}

/* CLOCK_BOOTTIME, unlike steady_ms, goes on while the machine sleeps, as the wall clock does. Above 0, since 0 means
 * none to clock_belief.
 */
static int64_t since_boot_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + 1;
}

/* What retention takes for the time. A jump of the wall clock is logged. */
static int64_t believed_now_ms(store *s, clock_belief *clock)
{
    bool jumped;
    int64_t wall_ms = store_now_ms(s), before_ms = clock->believed_ms;
    int64_t now_ms = clock_believe(clock, wall_ms, since_boot_ms(), &jumped);
    if (jumped)
        fprintf(stderr,
                "stepwell: journal: the clock is %" PRId64 " hours ahead of when retention last looked: nothing is "
                "deleted by that for a day. Is the clock right?\n",
                (wall_ms - before_ms) / 3600000);
    s->backend->ops->set_swept(s->backend, clock);
    return now_ms;
}

static void sweep_round(store *s, backend_sweep *at, clock_belief *clock)
{
    uint64_t most = s->options.retain_bytes;
    s->backend->ops->sweep_begin(at, believed_now_ms(s, clock), s->options.retain_ms);
    sweep_age(s, at);
    uint64_t disk = s->backend->ops->disk_bytes(s->backend);
    /* Sizes on disk are known only after compaction, so deleting approaches the limit in rounds. */
    while (most > 0 && disk > most && !store_is_closing(s) && sweep_bytes(s, at, disk - most))
        disk = s->backend->ops->disk_bytes(s->backend);
    __atomic_store_n(&s->disk_bytes, disk, __ATOMIC_RELAXED);
}

static void sweep_wait(store *s)
{
    struct timespec until = store_after_ms(s->options.sweep_interval_ms);
    (void)pthread_mutex_lock(&s->lock);
    if (!s->closing) (void)pthread_cond_timedwait(&s->sweep, &s->lock, &until);
    (void)pthread_mutex_unlock(&s->lock);
}

void *store_sweep_main(void *arg)
{
    store *s = arg;
    run_id deleted[BATCH_RUNS * BACKEND_SWEEP_KINDS];
    backend_sweep at = {.deleted = s->index ? deleted : NULL};
    clock_belief clock;
    (void)pthread_setname_np(pthread_self(), "sw-sweeper");
    s->backend->ops->swept(s->backend, &clock);
    while (!store_is_closing(s)) {
        if (!__atomic_load_n(&s->read_only, __ATOMIC_RELAXED)) sweep_round(s, &at, &clock);
        sweep_wait(s);
    }
    return NULL;
}

void store_hand_sweep(store *s)
{
    run_id deleted[BATCH_RUNS * BACKEND_SWEEP_KINDS];
    backend_sweep at = {.deleted = s->index ? deleted : NULL};
    clock_belief clock;
    assert(s->options.by_hand);
    s->backend->ops->swept(s->backend, &clock);
    if (!__atomic_load_n(&s->read_only, __ATOMIC_RELAXED)) sweep_round(s, &at, &clock);
}
