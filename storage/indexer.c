/* The indexer: the thread that keeps the store's index, once a second, and between these times counts what is not
 * counted yet, for half of its time at most. */
#include <assert.h>
#include <errno.h>

#include "storage/run_index.h"
#include "storage/steady.h"
#include "storage/store_by_hand.h"
#include "storage/store_core.h"

enum { TAKE_EVERY_MS = 1000, RETRY_MS = 5000, PAUSE_MS_MIN = 2 };

/* True: the store is closing. */
static bool indexer_wait(store *s, int64_t ms)
{
    struct timespec until = store_after_ms(ms > 0 ? ms : 0);
    int rc = 0;
    (void)pthread_mutex_lock(&s->lock);
    while (!s->closing && rc != ETIMEDOUT) rc = pthread_cond_timedwait(&s->index_wake, &s->lock, &until);
    bool closing = s->closing;
    (void)pthread_mutex_unlock(&s->lock);
    return closing;
}

static bool indexer_take(store *s)
{
    bool ok = store_takes_writes(s) && run_index_take(s->index, store_now_ms(s));
    if (!ok && store_takes_writes(s)) store_doubt(s);
    return ok;
}

void *store_index_main(void *arg)
{
    store *s = arg;
    int64_t due_ms = steady_ms(), pause_ms = 0;
    (void)pthread_setname_np(pthread_self(), "sw-indexer");
    do {
        int64_t began_ms = steady_ms();
        if (began_ms >= due_ms) due_ms = began_ms + (indexer_take(s) ? TAKE_EVERY_MS : RETRY_MS);
        bool more = store_takes_writes(s) && run_index_has_more(s->index) && run_index_go_on(s->index);
        int64_t now_ms = steady_ms(), took_ms = now_ms - began_ms;
        pause_ms = more ? took_ms + PAUSE_MS_MIN : due_ms - now_ms;
    } while (!indexer_wait(s, pause_ms));
    return NULL;
}

void store_hand_index(store *s)
{
    assert(s->options.by_hand);
    assert(s->index);
    if (indexer_take(s) && run_index_has_more(s->index)) (void)run_index_go_on(s->index);
}

void store_index_finish(store *s)
{
    if (!s->options.by_hand) (void)pthread_join(s->index_thread, NULL);
    /* No run begins any more: also the newest become tallies, so that the next start has little to count. */
    if (!s->options.by_hand && store_takes_writes(s)) (void)run_index_take(s->index, INT64_MAX);
    run_index_free(s->index);
    s->index = NULL;
}
