/* sched: the ready queue of one thread's coroutines, first in first out. Owns no coroutine until it has finished:
 * one whose fn returned is destroyed by sched_run. It knows no event loop: the loop calls sched_run each turn. */
#ifndef CORO_SCHED_H
#define CORO_SCHED_H

#include <stdint.h>

#include "coro/coro.h"

typedef struct sched {
    coro *head, *tail; /* ready to be resumed, linked through coro_links_of */
    size_t ready;      /* how many */
    uint64_t switches; /* to a coroutine and back: odd while one runs. Atomic, as `running` is: others may look */
    const coro *running;
} sched;

void sched_init(sched *s);

/* Puts a created or suspended coroutine in the queue; one that is queued already stays where it is. */
void sched_ready(sched *s, coro *co);

/* Takes it out of the queue if it is in it (before coro_destroy of one that may be queued). */
void sched_remove(sched *s, coro *co);

/* Resumes until the queue is empty, also those made ready meanwhile, but at most `resumes_max` (0: no limit); returns
 * how many it resumed. From the thread's own stack. */
size_t sched_run(sched *s, size_t resumes_max);

/* From any thread while the pool of its stacks lives: 0 when no coroutine runs, else a number that stands for this stay
 * of this coroutine, with its label and activity. The texts may go when it comes back: they were its own only if the
 * number is the same after they were read. */
uint64_t sched_running(const sched *s, const char **label, const char **activity);

#endif
