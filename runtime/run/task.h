/* task: a handler at work: its coroutines, its memory, its request and its response. What a durable run
 * (runtime/run/run.h) and a plain request (runtime/run/plain.h) have in common: each of them begins with one. It knows
 * no journal, no client and no exchange. */
#ifndef RUNTIME_TASK_H
#define RUNTIME_TASK_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

#include "coro/coro.h"
#include "runtime/base/arena.h"
#include "runtime/base/clock.h"
#include "runtime/run/call_notes.h"
#include "runtime/run/ctx_access.h"
#include "runtime/run/failure.h"
#include "runtime/stepwell.h"

typedef struct run run;
typedef struct strand strand;
typedef struct task task;
struct endpoint;
struct home;

typedef struct pending_line pending_line;

typedef struct defer {
    struct defer *next;
    void (*fn)(void *arg);
    void *arg;
} defer;

typedef enum ctx_kind { CTX_HANDLER, CTX_BRANCH, CTX_STEP } ctx_kind;

/* What the code of a handler sees. Lives on the coroutine stack of whoever entered it. */
struct sw_ctx {
    ctx_kind kind;
    uint64_t number; /* of no other in this process, unlike its address; given by ctx_call */
    strand *strand;
    task *task;
    struct run *run;          /* that is the task; NULL: a plain request */
    arena *arena;             /* where what it returns lives: the task's, or the attempt's own in a step */
    uint64_t path;            /* of the branch or step; see docs/internals/journal.md, step paths */
    const char *label;        /* of a branch: its path for people, "outer/inner:1"; "" for the handler */
    const char *branch_label; /* of a step: the label of the branch that holds it */
    uint32_t occurrence;      /* of a step, among its equals */
    const char *id;           /* of the branch or step, "" for the handler */
    int attempt;              /* of a step, from 1 */
    void *arg;                /* what the program gave along with the function */
    bool cleaning;            /* its clean-ups run: nothing in it may wait any more */
    bool unwinds;             /* sw_guard has told it that the run leaves memory: it returns, whatever its code does */
    uint32_t prove_calls;     /* --prove: calls of this attempt so far */
    defer *defers;            /* last first */
    sw_group *groups;         /* made in it, not yet waited for */
    void (*groups_settle)(sw_ctx *c); /* set with the first of them: waits for all members; raises only an unwind */
    sw_stream *streams;               /* opened in it, closed ones too */
    call_notes calls;                 /* of a step: made in this attempt */
    pending_line *pending_lines;      /* malloc'd: lines that may have been logged before (replay_log) */
    size_t pending_line_bytes;
    jmp_buf boundary; /* where a failure inside it unwinds to */
};

typedef enum strand_wait {
    STRAND_BUSY, /* runs, or waits for something that is not durable (a call, a commit) */
    STRAND_DUE,  /* waits for a point in time that is in the journal */
    STRAND_GROUP /* waits for the strands of a group */
} strand_wait;

typedef enum strand_interrupt_kind {
    INTERRUPT_NONE,
    INTERRUPT_TIMEOUT, /* the attempt took too long */
    INTERRUPT_STOP,    /* between attempts: no further one is to begin */
    INTERRUPT_UNWIND   /* the task leaves memory: stays set until the strand has ended */
} strand_interrupt_kind;

/* One coroutine of a task. Lives at the bottom of that coroutine's stack. */
struct strand {
    strand *next, **link; /* in the task's list */
    coro *co;
    task *task;
    struct run *run; /* that is the task; NULL: a plain request */
    sw_ctx *top;     /* innermost context; NULL between them */
    strand_wait wait;
    strand_interrupt_kind interrupt;
    bool suspended;                 /* in strand_suspend */
    bool uninterruptible;           /* a thread works for it: interrupts wait until that is done */
    clock_wait until;               /* while it sleeps, with STRAND_DUE or in a step; else zeros */
    strand *gate_next, **gate_link; /* in the home's gate; gate_link NULL: it does not wait there */
    failure failure;                /* of the innermost context that ended */
};

typedef struct run_header {
    const char *name, *value;
    struct run_header *next;
} run_header;

/* The request as the handler sees it. Everything lies in the task's arena, but for a plain route's headers and body:
 * they are the exchange's until the handler asks for them, or ends the exchange. */
typedef struct run_request {
    const char *method, *path, *target;
    const char *query; /* still encoded */
    const run_header *headers;
    bool owns_headers, owns_body;
    const run_header *params;
    sw_bytes body;
} run_request;

typedef struct run_response {
    int status; /* 0: none yet */
    run_header *headers, **headers_end;
    sw_bytes body;
} run_response;

struct task {
    struct home *home;
    const struct endpoint *endpoint;
    run *run; /* that it is the beginning of; NULL: a plain request */
    arena arena;
    char label[160]; /* for overflow reports: the route, and the run's id */
    run_request request;
    run_response response;
    strand *strands;
    size_t strand_count;
    size_t busy_count; /* strands with STRAND_BUSY */
};

/* Counts it as one of the home's. */
void task_init(task *t, struct home *h, const struct endpoint *e, run *r);
/* Its strands have ended. */
void task_free(task *t);
/* The route and, in a run, its id. */
void task_set_label(task *t);

/* Of its run, for the log; NULL: a plain request has none. */
const char *task_run_id(const task *t);

/* Unwinds all of its strands. */
void task_unwind(task *t);
/* Its code is being unwound, or is to be at its next step or wait. */
bool task_unwinds(const task *t);
/* The wall clock has been set: who sleeps until a point in time looks at it. */
void task_clock_set(const task *t);

/* The failed handler's response: a problem. Returns what it says. */
const char *task_set_problem(task *t, const failure *f);

#endif
