#include "runtime/base/pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "coro/stack.h"

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    pool_job *first, **last; /* waiting */
    size_t waiting, idle, count, max;
    bool closing;
    uv_thread_t threads[];
};

pool *pool_new(size_t threads_max)
{
    pool *p = calloc(1, sizeof *p + threads_max * sizeof(uv_thread_t));
    if (!p) return NULL;
    if (pthread_mutex_init(&p->lock, NULL) != 0 || pthread_cond_init(&p->work, NULL) != 0) {
        free(p);
        return NULL;
    }
    p->last = &p->first;
    p->max = threads_max;
    return p;
}

void pool_free(pool *p)
{
    if (!p) return;
    (void)pthread_mutex_lock(&p->lock);
    assert(!p->first && p->waiting == 0);
    assert(p->idle <= p->count); /* a thread may not have come to wait yet: another one did the job it was begun for */
    p->closing = true;
    (void)pthread_mutex_unlock(&p->lock);
    (void)pthread_cond_broadcast(&p->work);
    for (size_t i = 0; i < p->count; i++) (void)uv_thread_join(&p->threads[i]);
    (void)pthread_cond_destroy(&p->work);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

/* Takes a job off the queue, under the lock. */
static void pool_unlink(pool *p, pool_job *j)
{
    assert(p->waiting > 0 && *j->link == j);
    p->waiting--;
    *j->link = j->next;
    if (j->next)
        j->next->link = j->link;
    else
        p->last = j->link;
    j->link = NULL;
}

/* Waits for a job, under the lock. NULL: the pool closes. */
static pool_job *pool_take_job(pool *p)
{
    p->idle++;
    while (!p->first && !p->closing) (void)pthread_cond_wait(&p->work, &p->lock);
    pool_job *j = p->first;
    if (!j) return NULL;
    assert(p->idle > 0 && p->waiting > 0);
    p->idle--;
    pool_unlink(p, j);
    return j;
}

static void pool_thread_main(void *arg)
{
    pool *p = arg;
    (void)overflow_thread_enter(); /* user code may overflow this stack: the report then has another to run on */
    (void)pthread_mutex_lock(&p->lock);
    for (pool_job *j; (j = pool_take_job(p));) {
        (void)pthread_mutex_unlock(&p->lock);
        j->work(j);
        (void)pthread_mutex_lock(&p->lock);
        pool_door *d = j->door;
        j->next = d->finished;
        d->finished = j;
        int rc = uv_async_send(&d->wake); /* under the lock: the door cannot close meanwhile */
        assert(rc == 0);
        (void)rc;
    }
    (void)pthread_mutex_unlock(&p->lock);
    overflow_thread_leave();
}

static void pool_door_on_wake(uv_async_t *h)
{
    pool_door *d = h->data;
    (void)pthread_mutex_lock(&d->pool->lock);
    pool_job *list = d->finished;
    d->finished = NULL;
    (void)pthread_mutex_unlock(&d->pool->lock);
    for (pool_job *next; list; list = next) {
        next = list->next;
        if (d->pool->max == 0) list->work(list);
        list->done(list);
    }
}

bool pool_door_open(pool_door *d, pool *p, uv_loop_t *loop)
{
    assert(p);
    *d = (pool_door){.pool = p};
    if (uv_async_init(loop, &d->wake, pool_door_on_wake) != 0) return false;
    d->wake.data = d;
    return true;
}

static void pool_door_on_closed(uv_handle_t *h)
{
    pool_door *d = h->data;
    d->on_closed(d->arg);
}

void pool_door_close(pool_door *d, void (*on_closed)(void *arg), void *arg)
{
    assert(on_closed);
    (void)pthread_mutex_lock(&d->pool->lock); /* waits for the thread that has just finished the last job */
    assert(!d->finished);
    (void)pthread_mutex_unlock(&d->pool->lock);
    d->on_closed = on_closed;
    d->arg = arg;
    uv_close((uv_handle_t *)&d->wake, pool_door_on_closed);
}

/* Leaves the job to the loop's next turn: the pool has no threads. */
static void pool_submit_by_hand(pool_door *d, pool_job *j)
{
    j->next = d->finished;
    d->finished = j;
    int rc = uv_async_send(&d->wake);
    assert(rc == 0);
    (void)rc;
}

/* Begins a thread, under the lock, with libuv's default stack, as large as the limit (ulimit -s): user code runs on it.
 * False: the system has no room for one. */
static bool pool_begin_thread(pool *p)
{
    assert(p->count < p->max);
    if (uv_thread_create(&p->threads[p->count], pool_thread_main, p) != 0) return false;
    p->count++;
    return true;
}

bool pool_submit(pool_door *d, pool_job *j)
{
    pool *p = d->pool;
    assert(j->work && j->done);
    j->door = d;
    j->next = NULL;
    j->link = NULL;
    if (p->max == 0) {
        pool_submit_by_hand(d, j);
        return true;
    }
    (void)pthread_mutex_lock(&p->lock);
    assert(!p->closing && p->count <= p->max);
    bool enough = p->waiting < p->idle || p->count == p->max;
    bool ok = enough || pool_begin_thread(p) || p->count > 0;
    if (ok) {
        j->link = p->last;
        *p->last = j;
        p->last = &j->next;
        p->waiting++;
    }
    (void)pthread_mutex_unlock(&p->lock);
    if (ok) (void)pthread_cond_signal(&p->work);
    return ok;
}

bool pool_withdraw(pool_job *j)
{
    pool *p = j->door->pool;
    (void)pthread_mutex_lock(&p->lock);
    bool waits = j->link != NULL;
    if (waits) pool_unlink(p, j);
    (void)pthread_mutex_unlock(&p->lock);
    return waits;
}
