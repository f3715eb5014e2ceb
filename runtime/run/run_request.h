/* run_request: a task's request: copied from an input into the task's arena, written as the journal's first entry, read
 * back from that entry. Of a run's headers only those that are journaled are copied: the built-in list and the
 * endpoint's journal_headers. Owns nothing: all texts lie in the task's arena. */
#ifndef RUNTIME_RUN_RUN_REQUEST_H
#define RUNTIME_RUN_RUN_REQUEST_H

#include "runtime/run/run.h"

/* Copies the input. False: it does not fit the memory a task may have. */
bool run_request_take(task *t, const run_input *input);
/* Takes the input of a plain request: copies the request line, and borrows headers and body, which its exchange owns.
 * False: the copy does not fit the task's memory. */
bool run_request_borrow(task *t, const run_input *input);

/* Copies the headers, or the body, that a plain request still borrows: before the handler gets them, and before the
 * exchange ends, since the handler could not tell when the exchange's memory goes. False: over the task's memory. */
bool run_request_own_headers(task *t);
bool run_request_own_body(task *t);

/* Appends the entry `started`. `by`: see run_origin. False: over the run's limit, or out of memory (lacks_memory). */
bool run_request_record(run *r, const char *by);

/* Restores the request, the beginning and the deadline of a run from its entry `started`, which is copied. False: the
 * entry holds no request, or there is no memory (lacks_memory). */
bool run_request_restore(run *r, const entry *started);

/* The response's headers as an array of *count, in the task's arena. NULL: no memory. */
const http_reply_header *run_reply_headers(task *t, size_t *count);

/* Appends the headers to `to` as an entry has them: [name, value, ...] in msgpack. False: out of memory. */
bool run_pack_headers(msgpack_sbuffer *to, const run_header *list);

#endif
