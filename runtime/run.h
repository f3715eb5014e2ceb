/* run: one request being handled, from its first entry to its last, or until it parks. Owns its arena, its strands
 * (one coroutine for the handler and one for each parallel step or branch), its journal buffer and its response. It
 * lives in one home. A plain request is a run without a journal. It never touches a socket: clients are waiters.
 *
 * What it does next is decided in runtime/run/run_machine.h, by two tables: here is posted what happens to it, and done
 * what they say. */
#ifndef RUNTIME_RUN_H
#define RUNTIME_RUN_H

#include <msgpack.h>
#include <setjmp.h>
#include <sys/queue.h>

#include "coro/coro.h"
#include "http/router.h"
#include "runtime/arena.h"
#include "runtime/call_notes.h"
#include "runtime/clock.h"
#include "runtime/ctx_access.h"
#include "runtime/failure.h"
#include "runtime/run/run_input.h"
#include "runtime/run/run_machine.h"
#include "runtime/stepwell.h"
#include "runtime/stop.h"
#include "runtime/timers.h"
#include "storage/entry.h"
#include "storage/store.h"

typedef struct run run;
typedef struct strand strand;
struct home;
struct endpoint;
struct waiter;
struct slot;
struct frames;
struct replay;
struct claim;
struct letter;

typedef struct held_line held_line;

typedef struct defer {
    struct defer *next;
    void (*fn)(void *arg);
    void *arg;
} defer;

typedef enum ctx_kind { CTX_HANDLER, CTX_BRANCH, CTX_STEP } ctx_kind;

/* What the code in a run sees. Lives on the coroutine stack of whoever entered it. */
struct sw_ctx {
    ctx_kind kind;
    strand *strand;
    run *run;
    arena *arena;             /* where what it returns lives: the run's, or the attempt's own in a step */
    uint64_t path;            /* of the branch or step; see docs/journal.md, step paths */
    const char *label;        /* of a branch: its path for people, "outer/inner:1"; "" for the handler */
    const char *branch_label; /* of a step: the label of the branch that holds it */
    uint32_t occurrence;      /* of a step, among its equals */
    const char *id;           /* of the branch or step, "" for the handler */
    int attempt;              /* of a step, from 1 */
    bool cleaning;            /* its clean-ups run: nothing in it may wait any more */
    uint32_t asked;           /* --prove: calls of this attempt so far */
    defer *defers;            /* last first */
    sw_group *groups;         /* made in it, not yet waited for */
    sw_stream *streams;       /* opened in it, closed ones too */
    call_notes calls;         /* of a step: made in this attempt */
    held_line *held;          /* malloc'd: lines that may have been logged before (replay_log) */
    size_t held_bytes;
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
    INTERRUPT_UNWIND   /* the run leaves memory: stays set until the strand has ended */
} strand_interrupt_kind;

/* One coroutine of a run. Lives at the bottom of that coroutine's stack. */
struct strand {
    strand *next, **link; /* in the run's list */
    coro *co;
    run *run;
    sw_ctx *top; /* innermost context; NULL between them */
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

/* The request as the handler sees it. Everything lies in the run's arena, but for a plain route's headers and body:
 * they are the exchange's until the handler asks for them, or ends the exchange. */
typedef struct run_request {
    const char *method, *path, *target;
    const char *query; /* still encoded */
    const run_header *headers;
    struct http_exchange *exchange; /* plain route: until it is answered or cut; NULL otherwise */
    bool owns_headers, owns_body;
    const run_header *params;
    sw_bytes body;
} run_request;

typedef struct run_response {
    int status; /* 0: none yet */
    run_header *headers, **headers_end;
    sw_bytes body;
} run_response;

/* The counters of equal ids, and the paths that are taken: open addressing, a power of two, grows in the run's arena.
 */
typedef struct run_counter {
    uint64_t key; /* hash of branch and id, or a whole path; 0: free */
    uint32_t count;
} run_counter;

enum { RUN_COUNTERS_INLINE = 32 };

struct run {
    struct home *home;
    const struct endpoint *endpoint;
    run *next_free;             /* in the home's cache */
    TAILQ_ENTRY(run) touched;   /* in the home's list; tqe_prev NULL: not in it */
    bool plain;                 /* a plain route: no journal */
    bool in_pieces;             /* plain, and its response has begun */
    LIST_ENTRY(run) plain_runs; /* in the home's list, if plain */
    TAILQ_ENTRY(run) unlisted;  /* in the home's list, while `is_unlisted` */
    bool is_unlisted;
    run_state state;
    run_commit commit;
    run_id id;
    char id_text[RUN_ID_TEXT + 1];
    char label[160]; /* for overflow reports: route and run id */
    arena arena;
    int64_t started_ms;
    uint64_t started_epoch;  /* for the entry *started* */
    clock_wait deadline_due; /* zeros: none */
    struct timer deadline;
    stop_reason stop;     /* for what it is to stand still, once RUN_STOPPING */
    entry_cancel cancel;  /* for what it was cancelled first */
    bool attempted;       /* a step's attempt has begun since it is in memory: something may have been done */
    bool waits_long;      /* it waits, or has waited, for longer than --redirect-after: request clients are sent on */
    bool has_waited;      /* resumed: it had waited for so long in an earlier execution */
    clock_alarm park_due; /* when it is loaded again, if it parks */
    run_request request;
    run_response response;
    entry_ended outcome;         /* once it has a response */
    const char *outcome_error;   /* "" unless it failed */
    union {                      /* of the event that is being dealt with */
        const failure *failure;  /* RUN_ON_RETURNED: why the handler failed; NULL: it did not */
        const entry *stop_entry; /* RUN_ON_STOP */
    };

    strand *strands;
    size_t strand_count;
    size_t busy_count; /* strands with STRAND_BUSY */

    msgpack_sbuffer open;   /* entries not yet appended */
    msgpack_sbuffer sealed; /* entries under way, borrowed by the segment */
    store_segment segment;
    uint32_t seq_next;       /* entries made so far */
    uint32_t seq_sealed;     /* entries made when the segment was taken */
    uint32_t seq_durable;    /* entries on disk */
    uint32_t seq_release;    /* of its entry released, until that is on disk; 0: none */
    uint32_t seq_choice;     /* entries made when the last choice was: on disk before an attempt begins */
    uint32_t seq_wait;       /* entries made when it began to wait for long: on disk before a client is sent on */
    uint32_t commit_waiters; /* strands in record_wait */
    size_t state_bytes;      /* of all entries */
    uint32_t step_count;

    run_counter counters_inline[RUN_COUNTERS_INLINE];
    run_counter *counters;
    size_t counter_slots, counter_count;

    arena journal;                           /* the journal of a resumed run, which is not the handler's memory */
    struct replay *replay;                   /* what the journal already has, in that arena; NULL in a new run */
    struct frames *frames;                   /* what it streamed; NULL until the first chunk */
    struct waiter *waiters;                  /* clients attached to it */
    struct letter *letters, *sealed_letters; /* that it came of: deleted by its next commit; by the one under way */
    struct claim *claim;                     /* of its Idempotency-Key, until the first commit */
    struct slot *slot; /* its place in the home's table; NULL while nobody can know it by its id */
};

/* A new run of `work`. Whoever wants its answer attaches afterwards: before the turn ends, or by its id. Its handler is
 * ready, and called by the home's scheduler. NULL: nothing has begun, and *why says for what reason. */
run *run_begin(struct home *h, const struct endpoint *work, const run_input *input, const run_origin *origin,
               run_refusal *why);

/* A run from its journal, which is copied: the slot is its own then. False: it does not go on, and *why says for what
 * reason; streams of the slot have got what it has streamed. */
bool run_resume(struct home *h, struct slot *slot, const store_journal *journal, struct stop_cause *why);

/* The process ends: the handler goes no further than its next step or wait, and what has been journaled stays. A plain
 * route is cut. Once --drain is over (the home is hurried) attempts are cut too. */
void run_drain(run *r);

/* No step of it begins any more; calls are cut, clean-ups run, and it ends as cancelled, or as failed when its deadline
 * is the reason. Journaled, so it survives a restart. Too late once the handler has ended: then nothing happens. */
void run_cancel(run *r, entry_cancel why);

/* It is to stand still until it is released: attempts under way finish and count, nothing else begins, and it leaves
 * memory. `reason` is one that has an entry; `path` of the step or branch that is the reason, 0: none; `text` says
 * people what happened, and is copied. Nothing happens when it ends already, or is cancelled. */
void run_stop(run *r, stop_reason reason, uint64_t path, const char *text);

/* It has been asked to stand still, and does not yet. */
static inline bool run_is_stopping(const run *r) { return r->state == RUN_STOPPING || r->state == RUN_LEAVING_STOPPED; }

/* There is no memory for an entry that it cannot go on without: it is unwound, and loaded again from what is on disk.
 */
void run_lose(run *r);

/* Something of it may begin: it does not leave memory, and the process goes on. */
bool run_may_go_on(run *r);

/* Its code is being unwound, or is to be at its next step or wait. So is what is left of it once its handler has been
 * unwound: a member of a group, for instance, that had not had its first turn before. */
static inline bool run_unwinds(const run *r)
{
    return run_state_unwinds(r->state) || (r->state != RUN_NEW && !run_state_has_handler(r->state));
}

/* An entry of it is lost: nothing of it is journaled any more. */
static inline bool run_has_lost(const run *r) { return r->state == RUN_LOSING || r->state == RUN_LEAVING_LOST; }

/* It is on disk: the next process would find it, and clients can be sent on. */
static inline bool run_is_durable(const run *r) { return run_commit_is_durable(r->commit); }

/* The slot of a run that is in memory and that nobody could ask for before; NULL: there is no such run. */
struct slot *run_list(struct home *h, const run_id *id);

/* A wait of it that is over --redirect-after begins, and has been journaled: clients are sent on when that is on disk,
 * so that another process knows of it. */
void run_wait_long(run *r);

/* A client of it has gone away, not been sent on. */
void run_client_gone(run *r);

/* The end of a turn: appends new entries, parks it when it only waits. */
void run_turn_end(run *r);

/* The wall clock has been set: who sleeps until a point in time looks at it. */
void run_clock_set(const run *r);

/* What was appended is on disk (segment.error NULL), or not. May free the run. */
void run_committed(run *r);

/* Puts it in the home's list for run_turn_end, and takes it out. */
void run_touch(run *r);
void run_untouch(run *r);
static inline bool run_is_touched(const run *r) { return r->touched.tqe_prev != NULL; }

/* Failing: never return. `c` must be the innermost context. */
SW_NORETURN void ctx_raise(sw_ctx *c, failure f);

#endif
