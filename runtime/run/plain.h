/* plain: a plain request: a handler's coroutine without a journal. It has the exchange to itself, answers it when its
 * handler does, and is gone as soon as that has ended: nobody else has a pointer to it but its home, for the end of
 * --drain.
 *
 *     begins --> runs ---- returns, fails ----> answered, freed
 *                  |  ---- --drain is over ---> unwinds, 503 */
#ifndef RUNTIME_PLAIN_H
#define RUNTIME_PLAIN_H

#include <sys/queue.h>

#include "runtime/run/run_input.h"
#include "runtime/run/task.h"

typedef struct plain {
    task task; /* its arena lets the handler have only what it copies: see run_request_own_headers */
    struct plain *next_free;
    LIST_ENTRY(plain) in_home;
    http_exchange *exchange; /* NULL: answered, or cut */
    bool in_pieces;          /* its response has begun */
    bool unwinds;            /* the process ends */
} plain;
_Static_assert(offsetof(plain, task) == 0, "plain_of casts");

/* The plain request that a task without a run is. */
static inline plain *plain_of(task *t) { return (plain *)t; }

/* Takes the exchange. False: nothing has begun, *why says for what reason, and the exchange is still the caller's. */
bool plain_begin(struct home *h, const struct endpoint *e, const run_input *input, http_exchange *x, run_refusal *why);

/* --drain is over: nothing is waited for any more. Until then a plain request has its time: no other process could go
 * on with it. */
void plain_cut(plain *p);

#endif
