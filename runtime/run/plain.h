/* plain: a plain request at work: a handler's coroutine without a journal. Owns its exchange: answers it when the
 * handler returns, and is freed then. Only its home has a pointer to it, for the end of --drain.
 *
 *     begins --> runs ---- returns, fails ----> answered, freed
 *                  |  ---- --drain is over ---> unwinds, 503 */
#ifndef RUNTIME_RUN_PLAIN_H
#define RUNTIME_RUN_PLAIN_H

#include <assert.h>
#include <sys/queue.h>

#include "runtime/run/run_input.h"
#include "runtime/run/task.h"

typedef struct plain {
    task task;
    struct plain *next_free;   /* while the struct waits for reuse in home.runs.plain_free */
    LIST_ENTRY(plain) in_home; /* in home.runs.plain */
    http_exchange *exchange;   /* NULL: answered, or cut by the handler */
    bool in_pieces;            /* the response is sent in pieces, and has begun */
    bool unwinds;              /* --drain is over: the handler is to be unwound */
} plain;
_Static_assert(offsetof(plain, task) == 0, "plain_of casts");

/* The plain request that begins with `t`, a task without a run. */
static inline plain *plain_of(task *t)
{
    assert(!t->run);
    return (plain *)t;
}

/* Begins a plain request, which takes the exchange; the home's scheduler will call the handler. `input` is borrowed
 * from the exchange. False: nothing has begun, *why says the reason, and the exchange is still the caller's. */
bool plain_begin(struct home *h, const struct endpoint *e, const run_input *input, http_exchange *x, run_refusal *why);

/* Unwinds the handler, once --drain is over. Until then a plain request has its time, since no other process could go
 * on with it. */
void plain_cut(plain *p);

#endif
