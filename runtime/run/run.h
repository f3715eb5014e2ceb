/* run: one durable request at work in memory, from its first journal entry to its last, or until it parks. Owns its
 * arena, its strands (a coroutine for the handler and one for each parallel step or branch), the buffers of its new
 * entries, and its response. Lives in one home and is used on that home's thread alone. Never touches a socket and
 * knows no client: what clients should learn it tells its home's listener (runtime/run/run_listener.h).
 *
 * The files around a run, in the order of its life:
 *
 *     run_start.c     begins a run from an input
 *     run_resume.c    makes a run anew from its journal
 *     task.c          the handler at work, which a plain request (plain.c) is too
 *     strand.c        its coroutines: how they wait and are interrupted
 *     ctx.c           the levels of its code: how they fail and what they clean up
 *     path.c          what its steps are found by in the journal
 *     replay.c        what the journal had when the run was loaded; fit.c: whether the code still asks for that
 *     record.c        its new entries on their way to the store; remarking.c: those that say something of the run
 *     run.c           making and freeing; turns and commits
 *     run_machine.c   two tables, which decide what it does next
 *     run_end.c       its response and its last entries
 *     run_leave.c     unwinds, cancels and stops it, and takes it from memory
 *     slot.c          the run while it is not in memory
 *
 * No code changes a run's state directly: what happens to a run is posted as an event (run_cancel, run_stop, run_drain
 * and run_lose post one each), and runtime/run/run_machine.h names the next state and what is to be done. */
#ifndef RUNTIME_RUN_RUN_H
#define RUNTIME_RUN_RUN_H

#include <msgpack.h>
#include <sys/queue.h>

#include "coro/seeded_bug.h"
#include "runtime/base/arena.h"
#include "runtime/base/clock.h"
#include "runtime/base/timers.h"
#include "runtime/run/called_by.h"
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
typedef struct remarking remarking;

/* A cell of the run's table of paths (runtime/run/path.c): how often an id has been used in its branch, or that a whole
 * path is taken. */
typedef struct path_cell {
    uint64_t key; /* hash of branch and id, or a whole path; 0: the cell is free */
    uint32_t count;
} path_cell;

enum { RUN_PATH_CELLS_INLINE = 32 };

struct run {
    task task;                 /* the handler at work: strands, memory, request, response */
    run *next_free;            /* while the struct waits for reuse in home.runs.free */
    TAILQ_ENTRY(run) touched;  /* in home.runs.touched; tqe_prev NULL: not in it */
    TAILQ_ENTRY(run) slotless; /* in home.runs.slotless while is_slotless */
    bool is_slotless;
    bool is_unsettled; /* loaded from its journal, and no commit of it has come back since (runtime/run/comeback.h) */
    bool has_crashed;  /* with is_unsettled: the process before died of this run, which has got no further since */
    run_state state;
    run_commit commit;
    run_id id;
    char id_text[RUN_ID_TEXT + 1]; /* `id` as text, zero-terminated */
    int64_t started_ms;            /* Unix; of the first execution */
    uint64_t began_us;             /* steady; 0: the run began in an earlier execution */
    uint64_t started_epoch;        /* of started_ms: see entry_epoch */
    uint32_t generation;           /* how often it has gone on after its end */
    const char *version;           /* of the endpoint when the run began; in the run's arena, or the endpoint's */
    clock_wait deadline_due;       /* from the endpoint's timeout_ms; zeros: the run has no deadline */
    struct timer deadline;         /* fires at deadline_due: run_cancel */
    stop_reason stop;              /* why the run is to stand still; STOP_NONE: it is not */
    const char *stop_detail;       /* `stop` in words, in the run's arena; NULL: stop_text(stop) says all */
    const char *stop_by;           /* the operator who stopped it, in the run's arena; NULL: nobody did */
    entry_cancel cancel;           /* the reason of the first cancel; ENTRY_CANCEL_NONE: none came */
    const char *cancel_by;         /* who asked for it while the run was in memory; NULL: nobody */
    bool has_attempted;            /* an attempt of a step has begun in this execution, so side effects may exist */
    bool waits_long;         /* a durable wait longer than --redirect-after has begun: waiting clients get a redirect */
    bool waited_long_before; /* resumed: the journal has such a wait from an earlier execution */
    bool was_released; /* resumed: the journal has a release, so the run had been stopped; or it has ended before */
    clock_alarm
        park_due; /* set by RUN_ON_WAITS: when the parked run is to be loaded again, if no signal comes before */
    uint32_t park_awaits; /* with park_due: what that is for, as slot.awaits has it */
    uint32_t *park_names; /* of the signals that it waits for (mailbox_name), in its arena */
    size_t park_name_count;
    uint32_t park_returns_due; /* of `returns`: so many wake it; 0: it waits for none */
    uint32_t returns;          /* of runs that it has called: so many letters have come to its home in this execution */
    entry_ended outcome;       /* valid once the response is set */
    const char *outcome_error; /* why it failed, in the run's arena; "": it did not */
    bool part_is_behind;       /* where the handler's parallel part began, the journal had more (runtime/api/patch.c) */
    bool has_abandoned;        /* a group left members out, so what the journal has of them is not asked for */
    bool lacks_memory;         /* malloc failed for something the run cannot do without: it is lost, and loaded again */
    bool is_rejected;          /* the handler failed with a 4xx: its client's mistake, which counts as no failure */
    union {                    /* arguments of the event that run_post is dealing with */
        const failure *failure;  /* RUN_ON_RETURNED, RUN_ON_EXHAUSTED: why the handler failed; NULL: it returned */
        const entry *stop_entry; /* RUN_ON_STOP: the entry to append */
    };

    /* Entries on their way to the store: changed by runtime/run/record.c, run_committed and run_resume alone. Sequence
     * numbers count the run's entries from 1: seq_durable <= seq_sealed <= seq_next. */
    msgpack_sbuffer open;       /* entries appended since the last segment was sent */
    bool open_has_progress;     /* one of them is progress (entry_is_progress) */
    bool open_has_end;          /* the last of them is *ended* */
    msgpack_sbuffer sealed;     /* entries of the segment under way, which borrows them */
    store_segment segment;      /* at most one of a run is with the store */
    int64_t live_ms;            /* of the run's row in the live table, as of the last segment sent; -1: not known */
    uint32_t seq_next;          /* entries made so far */
    uint32_t seq_sealed;        /* entries made when the last segment was sent */
    uint32_t seq_durable;       /* entries on disk */
    uint32_t seq_release;       /* number of this execution's entry `released`; 0: there is none */
    uint32_t seq_stop;          /* number of this execution's entry `stopped`; 0: there is none */
    uint32_t seq_choice;        /* number of the last choice (entry_is_choice): on disk before an attempt begins */
    uint32_t seq_wait;          /* entries made when the long wait began: on disk before a client is redirected */
    uint32_t commit_wait_count; /* strands in record_wait */
    uint32_t mail_wait_count;   /* strands in strand_await_letters */
    size_t state_bytes;         /* of all entries: at most --run-state-max, but for the last ones */
    size_t resumed_bytes;       /* of its journal, in the home's load_quota; 0: the run has got on, or began here */
    uint32_t groups_open;       /* of the handler itself, made and not waited for: it is in a parallel part */
    uint32_t call_count;        /* functions the code has called in this execution: at most --children-max */
    uint32_t step_count;        /* steps the code has asked for in this execution: at most --steps-max */

    /* The table of paths: open addressing, a power of two, at most half full, grows in the run's arena. */
    path_cell path_cells_inline[RUN_PATH_CELLS_INLINE];
    path_cell *path_cells;
    size_t path_cell_room, path_cell_count;

    arena journal;          /* the journal of a resumed run, apart from the handler's memory and its limit */
    struct replay *replay;  /* what the journal had, in the arena `journal`; NULL: the run began here */
    struct frames *frames;  /* what was streamed, one reference; NULL until the first chunk or status */
    remarking *remarks;     /* what it says of itself; NULL: nothing so far */
    struct waiter *waiters; /* clients attached to the run: the listener's, which empties the list when told so */
    struct letter *letters; /* came for the run: the rows are deleted by its next commit */
    struct letter *sealed_letters;  /* are deleted by the commit under way */
    bool mail_is_kept;              /* what was kept for it is its own at the end of the turn: mailbox_give_kept */
    struct mail_letter *mail_taken; /* letters whose signals the run has taken: likewise */
    struct mail_letter *mail_sealed;
    int64_t inbox_read_ms;    /* steady: when the last read of its letters began; 0: none has, in this execution */
    struct sending *sendings; /* signals to other runs, whose entries have been appended: likewise */
    struct sending *sendings_sealed; /* of the commit under way */
    struct run_questions *questions; /* that its code has asked in this execution; NULL: none */
    struct calling *callings; /* runs that it has called, which begin with its next commit (runtime/run/calling.h) */
    struct calling **callings_end;
    uint32_t calling_count;
    called_by caller;                   /* the run that has called this one (runtime/run/called_by.h) */
    sw_value result;                    /* of a function whose run was called, in its arena */
    struct run_child *children;         /* runs that this execution has called, and waits for (recall.h) */
    struct letter *recalls;             /* go with its last commit to those that have not returned */
    struct letter *recalls_of_losers;   /* go with its next commit to those whose calls have lost */
    struct letter *recalls_sealed;      /* of these: of the commit under way */
    bool is_last_sent;                  /* its last entries are with the store, and these letters with them */
    struct mail_letter *returning;      /* goes with its last commit to the run that has called it (returning.h) */
    bool is_recalled;                   /* its cancel, which is in the journal or on its way, is its caller's wish */
    uint32_t returns_to;                /* with `returning`: the generation of that run for which it is */
    uint8_t (*had)[ENTRY_LETTER_BYTES]; /* ids of the signals that the run has had, in `journal` */
    uint32_t had_count, had_room;
    run_key *key;      /* borrowed until the first commit comes back; NULL: none */
    struct slot *slot; /* its slot in the home's table; NULL: most runs end before anybody asks for one by its id */
};

/* ---- Beginning ---- */

/* Begins a run of `work` and returns it: the entry `started` is appended, and the home's scheduler will call the
 * handler. Copies `input`; borrows origin->key until its on_settled. Whoever wants the answer attaches afterwards,
 * before the turn ends or by the run's id. NULL: nothing has begun and nothing was kept; *why says the reason. */
run *run_begin(struct home *h, const struct endpoint *work, const run_input *input, const run_origin *origin,
               run_refusal *why);

/* Makes the run of `slot` anew from its journal, which is copied, and lets it go on: the slot is then the run's. False:
 * it does not go on, and *why says the reason. Clients that wait at the slot stay there in both cases: the caller hands
 * them over. */
bool run_resume(struct home *h, struct slot *slot, const store_journal *journal, struct stop_cause *why);

/* ---- What others do to a run that has begun, in whatever state it is in memory ---- */

/* Tells the run that the process is to end: its handler goes no further than its next step or wait, attempts go on to
 * their end, and what is journaled stays for the next process. Once home.hurried (--drain is over) attempts are cut. */
void run_drain(run *r);

/* Cancels the run: no step begins any more, calls are cut, clean-ups run, and the run ends as cancelled, or as failed
 * when its deadline is the reason. The cancel is journaled, so it survives a restart. A run whose handler has returned
 * ends with that response instead, unless the response is lost. */
void run_cancel(run *r, entry_cancel why);

/* Stops the run until it is released: attempts under way finish and count, nothing else begins, and the run leaves
 * memory. `reason` is one of those that are entries (up to STOP_UNDO); `path` names the step or branch that is the
 * reason, 0: none; `text` tells people what happened, and is copied. Nothing happens to a run that ends, is cancelled
 * or is lost. */
void run_stop(run *r, stop_reason reason, uint64_t path, const char *text);

/* Stops the run for the operator who wrote the letter, with the letter's text. */
void run_stop_asked(run *r, struct letter *m);

/* Loses the run: an entry that it cannot go on without is not on disk. Nothing more of it is journaled; it is unwound,
 * and loaded again from what is on disk. */
void run_lose(run *r);

/* Loses the run for want of memory, so that some time passes before it is loaded again. What its code made without that
 * memory (a cut label, an error without its text) is never seen, since nothing of it is journaled. */
void run_lose_for_memory(run *r);

/* ---- Asking ---- */

/* Whether a step or a wait of the run may begin. Posts a drain first when the home drains and the run does not know. */
bool run_may_go_on(run *r);

/* Whether it was told to stop (run_stop) and has not left memory yet. */
static inline bool run_is_stopping(const run *r) { return r->state == RUN_STOPPING || r->state == RUN_LEAVING_STOPPED; }

/* Whether this execution has an entry `stopped`, and it is on disk; and whether an operator's wish has led to it. */
static inline bool run_stop_is_durable(const run *r) { return r->seq_stop > 0 && r->seq_durable >= r->seq_stop; }
static inline bool run_was_stopped_as_asked(const run *r)
{
    return run_stop_is_durable(r) && (r->stop == STOP_OPERATOR || r->stop == STOP_NONE);
}

/* Whether this execution has an entry `released`, which is on disk, and has not been stopped since. */
static inline bool run_release_is_durable(const run *r)
{
    return r->seq_release > r->seq_stop && r->seq_durable >= r->seq_release;
}

/* Why it was told to stop, as of now. */
stop_cause run_stop_cause(const run *r);

/* Whether its code is being unwound, or is to be at its next step or wait. That includes what is left once the handler
 * has been unwound, for example a member of a group whose first turn had not come yet. */
static inline bool run_unwinds(const run *r)
{
    bool is_past = r->state != RUN_NEW && !run_state_has_handler(r->state);
    return run_state_unwinds(r->state) || (is_past && !BUG(MEMBER_OUTLIVES));
}

/* Whether an entry of it is lost: nothing of it is journaled any more. */
static inline bool run_has_lost(const run *r) { return r->state == RUN_LOSING || r->state == RUN_LEAVING_LOST; }

/* Whether it is on disk: the next process would find it, so clients may get its URL. */
static inline bool run_is_durable(const run *r) { return run_commit_is_durable(r->commit); }

/* ---- Finding by its id ---- */

/* The run in memory with this id that has no slot: nobody asked for it before, or there was no memory for a slot. NULL:
 * there is none. */
run *run_find_slotless(const struct home *h, const run_id *id);

/* Gives the run a slot, so that it can park and slot_find finds it. Without memory it stays slotless. */
void run_give_slot(run *r);

/* ---- Turns and commits: called by the home's loop, and by what changes a run ---- */

/* Says that a durable wait longer than --redirect-after begins, whose entry has been appended: clients are redirected
 * once that entry is on disk, so that another process would know of the wait. */
void run_begin_long_wait(run *r);

/* Ends a turn of a touched run, which has been untouched: sends new entries, tells the listener what is new, parks the
 * run when it only waits, takes it from memory when it has settled. May free the run. */
void run_turn_end(run *r);

/* Takes the run's segment back from the store: on disk (segment.error NULL), or not. May free the run. */
void run_committed(run *r);

/* Puts the run into home.runs.touched, so that run_turn_end looks at it at the end of the turn; once is enough. */
void run_touch(run *r);
/* Takes the run out of home.runs.touched, if it is there. */
void run_untouch(run *r);
static inline bool run_is_touched(const run *r) { return r->touched.tqe_prev != NULL; }

#endif
