/* task: a handler at work, with its coroutines, its memory, its request and its response. It is what a durable run
 * (runtime/run/run.h) and a plain request (runtime/run/plain.h) have in common: each of them begins with a task. Owns
 * its arena, in which the request and the response lie. Knows no journal, no client and no exchange. */
#ifndef RUNTIME_RUN_TASK_H
#define RUNTIME_RUN_TASK_H

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
struct attempt_usage;
struct call_span;
struct span;
struct task_trace;

/* A log line that waits for the replay to tell whether it is new (runtime/run/replay_log.h). */
typedef struct pending_line pending_line;

/* A clean-up of a context (sw_defer); lies in its arena. */
typedef struct defer {
    struct defer *next;
    void (*fn)(void *arg);
    void *arg;
} defer;

/* ---- Contexts: the levels of a handler's code (runtime/run/ctx.h) ---- */

typedef enum ctx_kind { CTX_HANDLER, CTX_BRANCH, CTX_STEP } ctx_kind;

/* What the code of a handler, a branch or a step's attempt is given. Lives in the frame that called ctx_call. */
struct sw_ctx {
    ctx_kind kind;
    uint64_t number; /* unique in the process, unlike the context's address; given by ctx_call */
    strand *strand;
    task *task;
    struct run *run;          /* the run whose task it is; NULL: a plain request */
    arena *arena;             /* where what it makes lives: the task's, or the attempt's own in a step */
    uint64_t path;            /* of the branch or step; see docs/internals/journal.md, step paths */
    const char *label;        /* of a branch: its path for people, "outer/inner:1"; "" for the handler */
    const char *branch_label; /* of a step: the label of the branch that holds the step */
    const char *step_label;   /* of a step: its path for people, made with its first chunk; NULL: it has pushed none */
    uint32_t occurrence;      /* of a step: which of the equal ids of its branch, from 0 */
    const char *id;           /* of the branch or step; "" for the handler */
    int attempt;              /* of a step, from 1 */
    uint64_t span;            /* of the attempt, in the trace; 0: that of the request */
    struct span *record;      /* of the attempt's span (runtime/run/run_span.h); NULL: there is none */
    uint64_t span_began_us;   /* without `record`: when the attempt began, steady */
    struct attempt_usage *usage;  /* what the attempt's span says of sw_usage; NULL: nothing was said */
    struct call_span *call_spans; /* of its calls, the last one first */
    uint32_t call_count;          /* calls so far, in a task with a trace */
    void *arg;                    /* what the program gave along with the function */
    bool cleaning;                /* its clean-ups run: nothing in it may wait any more */
    bool unwinds;         /* sw_guard has told its code that the run leaves memory: it ends unwound in any case */
    uint32_t prove_calls; /* --prove: calls of this attempt so far */
    defer *defers;        /* the last one first */
    sw_group *groups;     /* made in it and not yet waited for */
    void (*groups_settle)(sw_ctx *c); /* set with the first group: waits for all members; raises only an unwind */
    sw_stream *streams;               /* opened in it, closed ones too */
    call_notes calls;                 /* of a step: the calls that this attempt made */
    pending_line *pending_lines;      /* malloc'd; the first one first */
    size_t pending_line_bytes;
    jmp_buf boundary; /* where a failure inside the context unwinds to: a frame of ctx_call */
};

/* ---- Strands: the coroutines of a task (runtime/run/strand.h) ---- */

typedef enum strand_wait {
    STRAND_BUSY,   /* runs, or waits for something that is not durable (a call, a commit): the run cannot park */
    STRAND_DUE,    /* waits for a point in time that is in the journal */
    STRAND_SIGNAL, /* waits for a signal, by a wait that is in the journal, and that may have a timeout */
    STRAND_CALL,   /* waits for a run that it has called, by a call that is in the journal */
    STRAND_GROUP   /* waits for the members of a group: strands, whose own waits count, and waits without one */
} strand_wait;

/* A wait, sleep or call that is in the journal. Lies with who began it. */
typedef struct open_wait {
    struct open_wait *next; /* of the same strand */
    const char *id;
    uint64_t path;
    const char *signal; /* the name of the signal; NULL: it is a sleep, or the pause before an attempt */
    uint64_t question;  /* path of the question that the wait belongs to; 0: none, so far */
    bool is_call;       /* of a function: the end of its run ends it */
    clock_wait until;   /* due_ms 0: it has no timeout */
} open_wait;

/* What a strand is in the middle of, for those who ask (runtime/run/survey.h). */
typedef struct strand_work {
    const struct step_spec *step; /* the step that it executes; NULL: none */
    uint32_t attempt;             /* of `step`: how many have begun, earlier executions included */
    uint64_t began_us;            /* steady: when the attempt under way began; 0: none is */
    const char *sleep_id;         /* of the sleep or wait that it waits for; NULL: none, or one inside an attempt */
    uint64_t sleep_path;
    const char *signal;    /* of a wait: the name of the signal; NULL: it is in none */
    uint64_t question;     /* of a wait: the path of the question that it belongs to; 0: none */
    uint32_t awaits_calls; /* so many runs that it has called have not returned, and it waits for them; 0: for none */
    uint32_t returns_due;  /* with `awaits_calls`: it can go on when run.returns is that, not before */
} strand_work;

typedef enum strand_interrupt_kind {
    INTERRUPT_NONE,
    INTERRUPT_TIMEOUT, /* the attempt took too long */
    INTERRUPT_STOP,    /* between attempts: none begins any more, since the strand's group is decided */
    INTERRUPT_UNWIND   /* the task leaves memory: stays set until the strand has ended */
} strand_interrupt_kind;

/* One coroutine of a task. Lives at the bottom of that coroutine's stack. */
struct strand {
    strand *next, **link; /* in task.strands */
    coro *co;
    task *task;
    struct run *run; /* the run whose task it is; NULL: a plain request */
    sw_ctx *top;     /* the innermost context; NULL before the first and after the last */
    strand_wait wait;
    strand_interrupt_kind interrupt;
    strand *parent;            /* whose context has made the group that this one is a member of; NULL: it is in none */
    strand *members;           /* whose parent it is, the newest first */
    strand *peer, **peer_link; /* in parent->members; peer_link NULL: it has no parent */
    uint32_t entering;         /* members that were started and have not entered yet */
    bool is_abandoned;    /* it works for a member that has lost, or within one: nothing begins in it any more, and none
                             of its entries is journaled; what the journal has of it is replayed */
    bool suspended;       /* in strand_suspend */
    bool woken;           /* with `suspended`: it goes on when the scheduler comes to it */
    bool catches_up;      /* in strand_catch_up */
    bool uninterruptible; /* others work for the strand: interrupts wait until that is done. An unwind wakes it,
                           so that it can withdraw what has not begun */
    clock_wait until;     /* while it sleeps, or waits with a timeout: when that is over; else zeros */
    const open_wait *standing; /* while it waits for a group: the members that have no strand; NULL: none */
    strand_work work;
    strand *gate_next, **gate_link; /* in home.gate; gate_link NULL: not in it */
    failure failure;                /* of the innermost context that ended */
};

/* ---- Requests and responses as a handler sees them ---- */

typedef struct run_header {
    const char *name, *value;
    struct run_header *next;
} run_header;

/* The request as the handler sees it. All of it lies in the task's arena, but for a plain request's headers and body:
 * those are the exchange's until the handler asks for them or ends the exchange (run_request_own_headers). */
typedef struct run_request {
    const char *method, *path, *target;
    const char *query; /* still percent-encoded */
    const run_header *headers;
    bool owns_headers, owns_body; /* they lie in the task's arena */
    const run_header *params;
    sw_bytes body;
    sw_value input; /* of a function's run, of which all the other members are empty */
} run_request;

typedef struct run_response {
    int status; /* 0: the handler has not set one */
    run_header *headers, **headers_end;
    sw_bytes body;
} run_response;

/* ---- Tasks ---- */

struct task {
    struct home *home;
    const struct endpoint *endpoint;
    run *run; /* the run that begins with this task; NULL: a plain request does */
    arena arena;
    char label[160];          /* for reports of stack overflows and blocked loops: the route, and the run's id */
    struct task_trace *trace; /* in the arena, or the run's journal; NULL: the task belongs to no trace */
    run_request request;
    run_response response;
    strand *strands;     /* those that have entered, the newest first */
    size_t strand_count; /* strands that were started and have not ended */
    size_t busy_count;   /* those of them with STRAND_BUSY; 0: the task only waits for points in time */
};

/* How much memory a task has: that of the journal (--run-state-max) several times, since values take more in memory. */
size_t task_bytes_max(const struct home *h);
/* Makes an empty task in `h` and counts it there. `r`: the run that begins with it; NULL: a plain request does. */
void task_init(task *t, struct home *h, const struct endpoint *e, run *r);
/* Frees the task's memory and takes it from the home's count. All of its strands have ended. */
void task_free(task *t);
/* Sets the label: the route and, of a run, its id. */
void task_set_label(task *t);

/* The run's id for the log; NULL: a plain request has none. */
const char *task_run_id(const task *t);

/* Interrupts all strands so that they unwind. */
void task_unwind(task *t);
/* Whether the task's code is being unwound, or is to be at its next step or wait. */
bool task_unwinds(const task *t);
/* Wakes strands that sleep until a time of the wall clock, which has been set. */
void task_clock_set(const task *t);

/* Makes the response of a handler that failed with `f`: problem+json. Returns the message in it, which lies in the
 * task's arena or is static. Without memory the body is empty, and a run is lost. */
const char *task_set_problem(task *t, const failure *f);

#endif
