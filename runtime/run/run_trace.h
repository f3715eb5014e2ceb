/* run_trace: which trace a run or a plain request belongs to, and what its calls and log lines say of that. It belongs
 * to the trace that its request names, and to one of its own if this process exports traces; else to none, which costs
 * one look at task.trace. Owns nothing: a trace lies in its task's arena. */
#ifndef RUNTIME_RUN_RUN_TRACE_H
#define RUNTIME_RUN_RUN_TRACE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/log.h"
#include "runtime/run/run_input.h"
#include "runtime/run/task.h"
#include "runtime/trace/trace_context.h"
#include "storage/entry.h"

struct run;
struct span;

typedef struct task_trace {
    trace_parent caller;        /* as the request had it; span 0: it had none */
    uint8_t id[TRACE_ID_BYTES]; /* with `has_id`: see task_trace_id */
    uint8_t subject[16];        /* tells requests of one trace apart: the run's id, or random */
    uint64_t span;              /* of the request; when nothing is exported, the caller's */
    uint64_t execution;         /* see trace_place.execution */
    uint32_t generation;        /* how often the run has been reopened */
    uint64_t began_ns;          /* Unix; when the request began, once its span has been filled */
    bool has_id;
    bool has_spans;              /* this process exports traces: calls name spans of its own */
    bool is_sampled;             /* what others are told, and, with has_spans, whether the spans are exported */
    bool is_held;                /* `record` says how the run has ended, which is not on disk yet */
    const char *state, *baggage; /* values of headers; NULL: none */
    const trace_parent *link;    /* what the request's span links to; NULL: nothing. With `has_spans` */
    struct span *record;         /* of the request (runtime/run/run_span.h); NULL: it has none */
    uint16_t record_len;         /* what `record` said at its beginning */
} task_trace;

/* Finds the trace of a task that begins with `input`: task.trace stays NULL if there is none. False: no memory. */
bool run_trace_begin(task *t, const run_input *input);
/* Finds the trace of a run that is resumed, by its entry `started`. False: no memory. */
bool run_trace_restore(struct run *r, const entry *started);
/* Returns the span of a run's request, by its entry `started`. */
trace_parent run_trace_find_span(const run_id *id, const entry *started);
/* Returns the id of the trace, which is made when it is first needed: most runs are not sampled. */
const uint8_t *task_trace_id(task_trace *trace);
/* How many names `started` has of the trace (entry.more). */
uint32_t run_trace_pairs(const task *t);
/* Appends these names and their values to a map. False: no memory. */
bool run_trace_pack(const task *t, msgpack_packer *pk);

/* Likewise of a run that this one calls: it belongs to the same trace, and hangs on this run's span. */
uint32_t run_trace_child_pairs(const task *t);
bool run_trace_child_pack(const task *t, msgpack_packer *pk);

/* A call that is about to be made. */
typedef struct traced_call {
    const char *url;
    const char *const *headers; /* the program's; may be NULL */
    uint64_t span;              /* of the call, for the other side's spans to hang on; 0: nothing is exported */
} traced_call;

/* Gives the headers of the call: the program's, and those of the trace, as --trace-hosts says. A header that the
 * program has set itself stays alone. They lie in the context's memory, or are call->headers. False: no memory. */
bool run_trace_headers(sw_ctx *c, const traced_call *call, const char *const **out);

/* Logs a line of the run, with the ids of its trace and of the span that the running code belongs to. */
void run_log(const struct run *r, log_level level, const char *format, ...) SW_PRINTF(3, 4);
/* Logs a line of a plain request. */
void task_log(const task *t, log_level level, const char *format, ...) SW_PRINTF(3, 4);
/* Logs a line of the context's code. */
void ctx_vlog(const sw_ctx *c, log_level level, const char *format, va_list args) SW_PRINTF(3, 0);

#endif
