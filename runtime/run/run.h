/* run: one request being handled, from its first entry to its last, or until it parks. Owns its arena, its strands
 * (one coroutine for the handler and one for each parallel step or branch), its journal buffer and its response. It
 * lives in one home. It never touches a socket: what clients should know it tells a
 * listener (runtime/run/run_listener.h).
 *
 * What it does next is decided in runtime/run/run_machine.h, by two tables: here is posted what happens to it, and done
 * what they say. */
#ifndef RUNTIME_RUN_RUN_H
#define RUNTIME_RUN_RUN_H

#include <msgpack.h>
#include <sys/queue.h>

#include "coro/seeded_bug.h"
#include "runtime/base/arena.h"
#include "runtime/base/clock.h"
#include "runtime/base/timers.h"
#include "runtime/run/failure.h"
#include "runtime/run/run_input.h"
#include "runtime/run/run_machine.h"
#include "runtime/run/stop.h"
#include "runtime/run/task.h"
#include "runtime/stepwell.h"
#include "storage/entry.h"
#include "storage/store.h"

struct waiter;
struct slot;
struct frames;
struct replay;
struct letter;

/* The counters of equal ids, and the paths that are taken: open addressing, a power of two, grows in the run's arena.
 */
typedef struct path_cell {
    uint64_t key; /* hash of branch and id, or a whole path; 0: free */
    uint32_t count;
} path_cell;

enum { RUN_PATH_CELLS_INLINE = 32 };

struct run {
    task task;
    run *next_free;            /* in the home's cache */
    TAILQ_ENTRY(run) touched;  /* in the home's list; tqe_prev NULL: not in it */
    TAILQ_ENTRY(run) slotless; /* in the home's list, while `is_slotless` */
    bool is_slotless;
    bool is_unsettled; /* it has come from its journal, and has made no commit since */
    bool has_crashed;  /* then the process had died of it, without any progress of it since */
    run_state state;
    run_commit commit;
    run_id id;
    char id_text[RUN_ID_TEXT + 1];
    int64_t started_ms;
    uint64_t started_epoch;  /* for the entry *started* */
    clock_wait deadline_due; /* zeros: none */
    struct timer deadline;
    stop_reason stop;        /* for what it is to stand still, once RUN_STOPPING */
    const char *stop_detail; /* in words, in its arena; NULL: `stop` says all */
    entry_cancel cancel;     /* for what it was cancelled first */
    bool has_attempted;      /* a step's attempt has begun since it is in memory: something may have been done */
    bool waits_long; /* it waits, or has waited, for longer than --redirect-after: request clients are sent on */
    bool waited_long_before;     /* resumed: it had waited for so long in an earlier execution */
    bool was_released;           /* resumed: it had been stopped, and was let go on */
    clock_alarm park_due;        /* when it is loaded again, if it parks */
    entry_ended outcome;         /* once it has a response */
    const char *outcome_error;   /* "" unless it failed */
    bool lacks_memory;           /* it is lost for want of memory */
    bool is_rejected;            /* its request was its client's mistake, which is not a failure */
    union {                      /* of the event that is being dealt with */
        const failure *failure;  /* RUN_ON_RETURNED, RUN_ON_EXHAUSTED: why the handler failed; NULL: it did not */
        const entry *stop_entry; /* RUN_ON_STOP */
    };

    msgpack_sbuffer open;   /* entries not yet appended */
    msgpack_sbuffer sealed; /* entries under way, borrowed by the segment */
    store_segment segment;
    uint32_t seq_next;          /* entries made so far */
    uint32_t seq_sealed;        /* entries made when the segment was taken */
    uint32_t seq_durable;       /* entries on disk */
    uint32_t seq_release;       /* of its entry released, until that is on disk; 0: none */
    uint32_t seq_choice;        /* entries made when the last choice was: on disk before an attempt begins */
    uint32_t seq_wait;          /* entries made when it began to wait for long: on disk before a client is sent on */
    uint32_t commit_wait_count; /* strands in record_wait */
    size_t state_bytes;         /* of all entries */
    uint32_t step_count;

    path_cell path_cells_inline[RUN_PATH_CELLS_INLINE];
    path_cell *path_cells;
    size_t path_cell_room, path_cell_count;

    arena journal;                           /* the journal of a resumed run, which is not the handler's memory */
    struct replay *replay;                   /* what the journal already has, in that arena; NULL in a new run */
    struct frames *frames;                   /* what it streamed; NULL until the first chunk */
    struct waiter *waiters;                  /* clients attached to it */
    struct letter *letters, *sealed_letters; /* that it came of: deleted by its next commit; by the one under way */
    run_key *key;                            /* until the first commit */
    struct slot *slot; /* its place in the home's table; NULL while nobody can know it by its id */
};

/* A new run of `work`. Whoever wants its answer attaches afterwards: before the turn ends, or by its id. Its handler is
 * ready, and called by the home's scheduler. NULL: nothing has begun, and *why says for what reason. */
run *run_begin(struct home *h, const struct endpoint *work, const run_input *input, const run_origin *origin,
               run_refusal *why);

/* A run from its journal, which is copied: the slot is its own then. False: it does not go on, and *why says for what
 * reason. The slot keeps those who wait, also when it goes on: whoever calls hands them over. */
bool run_resume(struct home *h, struct slot *slot, const store_journal *journal, struct stop_cause *why);

/* The process ends: the handler goes no further than its next step or wait, and what has been journaled stays. Once
 * --drain is over (the home is hurried) attempts are cut too. */
void run_drain(run *r);

/* No step of it begins any more; calls are cut, clean-ups run, and it ends as cancelled, or as failed when its deadline
 * is the reason. Journaled, so it survives a restart. Once the handler has ended it is too late, unless its response is
 * lost. */
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
/* So it is for want of memory, and some time passes before. What was made without that memory, a label that is cut, an
 * error without its text, is never seen: nothing of the run is journaled any more. */
void run_lose_for_memory(run *r);

/* Something of it may begin: it does not leave memory, and the process goes on. */
bool run_may_go_on(run *r);

/* Its code is being unwound, or is to be at its next step or wait. So is what is left of it once its handler has been
 * unwound: a member of a group, for instance, that had not had its first turn before. */
static inline bool run_unwinds(const run *r)
{
    bool is_past = r->state != RUN_NEW && !run_state_has_handler(r->state);
    return run_state_unwinds(r->state) || (is_past && !BUG(MEMBER_OUTLIVES));
}

/* An entry of it is lost: nothing of it is journaled any more. */
static inline bool run_has_lost(const run *r) { return r->state == RUN_LOSING || r->state == RUN_LEAVING_LOST; }

/* It is on disk: the next process would find it, and clients can be sent on. */
static inline bool run_is_durable(const run *r) { return run_commit_is_durable(r->commit); }

/* The run in memory of this id that has no slot: nobody could ask for it before, or there was no memory for one. NULL:
 * there is none. */
run *run_find_slotless(struct home *h, const run_id *id);
/* Gives it a slot, so that it can be asked for and parked; without memory it stays as it is. */
void run_give_slot(run *r);

/* A wait of it that is over --redirect-after begins, and has been journaled: clients are sent on when that is on disk,
 * so that another process knows of it. */
void run_begin_long_wait(run *r);

/* The end of a turn: appends new entries, parks it when it only waits. */
void run_turn_end(run *r);

/* What was appended is on disk (segment.error NULL), or not. May free the run. */
void run_committed(run *r);

/* Puts it in the home's list for run_turn_end, and takes it out. */
void run_touch(run *r);
void run_untouch(run *r);
static inline bool run_is_touched(const run *r) { return r->touched.tqe_prev != NULL; }

#endif
