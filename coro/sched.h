/* sched: the ready queue of one thread's coroutines, first in first out. Owns a coroutine only when its fn has
 * returned: then sched_run destroys it. Knows no event loop: the loop calls sched_run each turn. */
#ifndef CORO_SCHED_H
#define CORO_SCHED_H

#include <stdint.h>

#include "coro/coro.h"

typedef struct sched {
    coro *head, *tail;   /* ready to be resumed, linked through coro_links_of */
    size_t ready;        /* how many */
    uint64_t switches;   /* to a coroutine and back: odd while one runs. Atomic: other threads look */
    const coro *running; /* the last one resumed. Atomic: other threads look */
} sched;

void sched_init(sched *s);

/* Puts a created, suspended or running coroutine at the end of the queue; one that is queued already stays where it is.
 */
void sched_ready(sched *s, coro *co);

/* Takes the coroutine out of the queue if it is there: before coro_destroy of one that may be queued. */
void sched_remove(sched *s, coro *co);

/* Resumes coroutines until the queue is empty, also those made ready meanwhile, but at most `resumes_max` (0: no
 * limit). Returns how many it resumed. From the thread's own stack. */
size_t sched_run(sched *s, size_t resumes_max);

/* From any thread while the pool of the coroutines' stacks lives: 0 when no coroutine runs, else a number that stands
 * for this stay of the running coroutine, with what was said of it. The coroutine frees the texts whenever it
 * likes: what the caller has read of them counts only if a second call then returns the same number. */
uint64_t sched_running(const sched *s, coro_about *about);

#endif
