/* Retention: a thread that now and then deletes ended runs whose time has come, or the oldest while the store is over
 * its size. It works in small batches, so that commits go on between them. */
#include <stdio.h>
#include <time.h>

#include "storage/store_core.h"

enum { BATCH_RUNS = 1000 };

static bool closing(store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    bool closing = s->closing;
    (void)pthread_mutex_unlock(&s->lock);
    return closing;
}

static void note_deleted(store *s, long n)
{
    if (n > 0) (void)__atomic_add_fetch(&s->runs_deleted, (uint64_t)n, __ATOMIC_RELAXED);
}

static void sweep(store *s)
{
    long n;
    do {
        n = rocks_sweep_age(s->rocks, store_now_ms(), s->options.retain_ms, BATCH_RUNS);
        note_deleted(s, n);
    } while (n > 0 && !closing(s));
    uint64_t disk = rocks_disk_bytes(s->rocks), most = s->options.retain_bytes;
    while (most > 0 && disk > most && !closing(s)) {
        n = rocks_sweep_bytes(s->rocks, disk - most, BATCH_RUNS);
        note_deleted(s, n);
        disk = rocks_disk_bytes(s->rocks);
        if (n <= 0) break;
    }
    __atomic_store_n(&s->disk_bytes, disk, __ATOMIC_RELAXED);
}

static void wait_for_turn(store *s)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += s->options.sweep_interval_ms / 1000;
    until.tv_nsec += s->options.sweep_interval_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    (void)pthread_mutex_lock(&s->lock);
    if (!s->closing) (void)pthread_cond_timedwait(&s->sweep, &s->lock, &until);
    (void)pthread_mutex_unlock(&s->lock);
}

void *store_sweep_main(void *arg)
{
    store *s = arg;
    while (!closing(s)) {
        if (!__atomic_load_n(&s->read_only, __ATOMIC_RELAXED)) sweep(s);
        wait_for_turn(s);
    }
    return NULL;
}
