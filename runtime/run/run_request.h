/* run_request: a task's request: copied from its input into the task's arena, written as the journal's first entry,
 * read back from it. Only headers of the run's list are kept. */
#ifndef RUNTIME_RUN_RUN_REQUEST_H
#define RUNTIME_RUN_RUN_REQUEST_H

#include "runtime/run/run.h"

/* False: it does not fit the memory a task may have. */
bool run_request_take(task *t, const run_input *input);
/* Takes the request of a plain request, which borrows headers and body from its exchange. False: the rest does not fit
 * the task's memory. */
bool run_request_borrow(task *t, const run_input *input);

/* Copies what a plain request still borrows, before the handler gets it or the exchange ends: nothing tells the handler
 * when the exchange's memory goes. False: over the task's memory. */
bool run_request_own_headers(task *t);
bool run_request_own_body(task *t);

/* Appends the entry "started". False: it is over the run's limit. */
bool run_request_record(run *r);

/* False: what the entry holds is no request. */
bool run_request_restore(run *r, const entry *started);

/* The response's headers as HTTP takes them, all of them, in the task's arena. NULL: no memory. */
const http_reply_header *run_reply_headers(task *t, size_t *count);

/* [name, value, ...] as in entries. False: out of memory. */
bool run_pack_headers(msgpack_sbuffer *to, const run_header *list);

#endif
