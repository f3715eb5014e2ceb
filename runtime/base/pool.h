/* pool: threads that work while strands wait: one pool for sw_blocking, one for the library's own long work
 * (runtime/api/aside.h). Each has a bounded number of threads, begun when they are first needed; jobs beyond that wait,
 * first come first. Apart from libuv's pool, so that no handler keeps the journal's readers waiting. Owns its threads,
 * never a job: a job lies with its caller until `done` was called, on the loop that submitted it, or it was withdrawn.
 */
#ifndef RUNTIME_BASE_POOL_H
#define RUNTIME_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

typedef struct pool pool;
typedef struct pool_door pool_door;

typedef struct pool_job {
    struct pool_job *next, **link; /* link: while it waits for a thread; under the pool's lock */
    pool_door *door;
    void (*work)(struct pool_job *j); /* on a thread of the pool */
    void (*done)(struct pool_job *j); /* afterwards, on the loop; may free the job */
} pool_job;

/* One loop's way into the pool, and back. Lies with the loop. */
struct pool_door {
    pool *pool;
    uv_async_t wake;
    pool_job *finished; /* under the pool's lock */
    void (*on_closed)(void *arg);
    void *arg;
};

/* Makes a pool; with no threads each job is done by its loop, in the next turn. NULL: out of memory. */
pool *pool_new(size_t threads_max);
/* Waits for its threads to end; no job may be under way, and every door is closed. NULL is fine. */
void pool_free(pool *p);

bool pool_door_open(pool_door *d, pool *p, uv_loop_t *loop); /* false: no memory */
/* Closes the door, from which no job may be under way; calls on_closed when libuv has let go of it. */
void pool_door_close(pool_door *d, void (*on_closed)(void *arg), void *arg);

/* Has a thread call j->work, and later the loop j->done. On the loop's thread. False: the pool has no thread, and none
 * could be begun. */
bool pool_submit(pool_door *d, pool_job *j);
/* Takes back a job that was submitted and is not done. False: it is under way, so `done` will be called. */
bool pool_withdraw(pool_job *j);

#endif
