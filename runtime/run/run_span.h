/* run_span: the spans that a run or a plain request exports: one each of the request, its attempts, calls and waits.
 * Owns nothing: a span lies in the spool (runtime/trace/spool.h) from its beginning on, so that the next process can
 * end it, and is the exporter's when it is over. All functions do nothing in a task whose trace is not exported. On the
 * home's thread. */
#ifndef RUNTIME_RUN_RUN_SPAN_H
#define RUNTIME_RUN_RUN_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "http/client/client.h"
#include "runtime/run/failure.h"
#include "runtime/run/run_trace.h"
#include "runtime/run/step_spec.h"

/* ---- Requests ---- */

/* A request of a task whose trace is settled begins. */
void request_span_begin(task *t);
/* The run is on disk: the next process will tell of its request. */
void request_span_durable(struct run *r);
/* The run's last entries are made: what they say. */
void request_span_hold(struct run *r);
/* They are on disk: the span is over. */
void request_span_end(struct run *r);
/* The run leaves memory, and has not ended. */
void request_span_drop(task *t);
/* What a client got. */
typedef struct plain_answered {
    int status;          /* 0: the connection was cut before the response was whole */
    const char *problem; /* NULL: there was none */
} plain_answered;

/* A plain request has been answered. */
void plain_span_end(task *t, const plain_answered *is);

/* ---- Attempts ---- */

/* The attempt's context gets its span. */
void attempt_span_begin(sw_ctx *c);
/* It is over. `f` NULL: it succeeded. */
void attempt_span_end(sw_ctx *c, const failure *f);

/* The attempt has used this (sw_usage): its span says all of it, with the last model. */
void attempt_span_usage(sw_ctx *c, const sw_usage_of *of);

/* ---- Calls of a context ---- */

/* Returns the id of the span that the next call of the context will have; 0: there will be none. */
uint64_t call_span_next(sw_ctx *c);
/* The call has begun. Borrows it until call_span_end. */
void call_span_begin(sw_ctx *c, const http_call *call, const char *method, const char *url);
/* It is about to be closed, done or not. */
void call_span_end(sw_ctx *c, const http_call *call);

/* ---- Waits ---- */

/* A wait that is in the journal. */
typedef struct wait_span {
    const char *name; /* "sleep", "retry", "wait" */
    const char *id;   /* of the sleep or step */
    uint64_t path;
    uint32_t attempt; /* retry: the one that failed */
    int64_t from_ms;  /* Unix; when an earlier execution began to wait; 0: this one begins now */
} wait_span;

/* Sleeps as strand_sleep_until does, durably, and exports a span of the wait that is over, unless an earlier execution
 * has told of it. */
bool wait_span_sleep(strand *s, const wait_span *w, const clock_wait *until);
/* Exports a span of a wait that this execution has seen the end of. */
void wait_span_over(const struct run *r, const wait_span *w);
/* Exports a span of a sleep that is over, and for which no strand has slept, unless an earlier execution has told of
 * it. */
void wait_span_slept(const struct run *r, const wait_span *w, const clock_wait *until);

#endif
