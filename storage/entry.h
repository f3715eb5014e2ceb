/* entry: one fact in a run's journal, and its bytes (msgpack, docs/internals/journal.md). Encoding appends to a buffer
 * that the caller owns; decoding borrows from the bytes and allocates nothing. Never replays: what entries mean is the
 * runtime's.
 *
 * Whoever replays a journal has to know each kind below ENTRY_PASSABLE in it; kinds from there on are passed over if
 * the reader does not know them. The numbers of all kinds, also of those to come, are in docs/internals/journal.md. */
#ifndef STORAGE_ENTRY_H
#define STORAGE_ENTRY_H

#include <assert.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum entry_kind {
    ENTRY_STARTED = 1,     /* the request; always the run's first */
    ENTRY_STEP_DONE = 2,   /* a step's result */
    ENTRY_STEP_FAILED = 3, /* one attempt failed; retry_at_ms 0: for good */
    ENTRY_SLEEP = 4,       /* a sleep began; due_ms */
    ENTRY_VALUE = 5,       /* sw_now, sw_random, sw_signal_url: recorded so that a replay sees the same */
    ENTRY_CHUNK = 6,       /* streamed to clients */
    ENTRY_RESPONSE = 7,    /* the handler's response */
    ENTRY_ENDED = 8,       /* the run is over; the last, unless it is reopened */
    ENTRY_ROLLBACK = 9,    /* chunks of this step's attempts so far do not count (also told to clients) */
    ENTRY_CANCEL = 10,     /* the run is to end: no step begins any more */
    ENTRY_STOPPED = 11,    /* nothing of the run begins any more until it is released */
    ENTRY_RELEASED = 12,   /* a stopped run goes on */
    ENTRY_WAIT = 13,       /* a wait for a signal began */
    ENTRY_SIGNAL = 14,     /* a signal that somebody has sent is the run's: its letter has gone from the inbox */
    ENTRY_TAKEN = 15,      /* a wait has got the signal of that `letter` */
    ENTRY_TIMED_OUT = 16,  /* a wait is over without one */
    ENTRY_WON = 17,        /* the first success of a group has decided it: the other members are given up */
    ENTRY_ABANDONED = 18,  /* an attempt that was under way then: what it does may have been done; or a call, wait or
                              sleep, attempt 0: nobody waits for it any more */
    ENTRY_CALLED = 19,     /* a function was called: its run, the `child`, begins in the same commit */
    ENTRY_RETURNED = 20,   /* that run has ended, and the call has its result */
    ENTRY_SENT = 21,       /* a signal was sent to another run, or there was no such run that could get it */
    ENTRY_PATCH = 23,      /* what sw_patch answers for an id, in the whole run */
    ENTRY_REOPENED = 26,   /* a run that had ended goes on: its response and end count no more */
    ENTRY_BRANCH = 64,     /* a branch began: tells its path's id and parent to whoever draws the run */
    ENTRY_CRASHED = 65,    /* the process died while it worked for the run, by the signal in `status` */
    ENTRY_LABEL = 66,      /* sw_label: the label `id` has the text `value` from now on */
    ENTRY_STATUS = 67,     /* sw_status */
    ENTRY_USAGE = 68,      /* sw_usage */
    ENTRY_DIFFERS = 70, /* a step's result was used for another input than it was made from; input_hash: the other's */
    ENTRY_UNASKED = 71  /* the handler returned and had not asked for this result, sleep or value */
} entry_kind;

enum { ENTRY_PASSABLE = 64 }; /* the first kind that a reader may pass over */

/* A choice says what another execution might decide otherwise: it is on disk before anything that follows from it. All
 * other kinds are results, which are committed in the background. */
static inline bool entry_is_choice(entry_kind kind)
{
    return kind == ENTRY_VALUE || kind == ENTRY_PATCH || kind == ENTRY_STOPPED || kind == ENTRY_RELEASED ||
           kind == ENTRY_CALLED || kind == ENTRY_SENT || kind == ENTRY_TAKEN || kind == ENTRY_TIMED_OUT ||
           kind == ENTRY_WON || kind == ENTRY_REOPENED;
}

typedef struct entry_text {
    const char *data; /* not zero-terminated */
    size_t len;
} entry_text;

/* Borrows the zero-terminated text. */
static inline entry_text entry_text_of(const char *text) { return (entry_text){text, strlen(text)}; }

static inline bool entry_text_equal(entry_text a, entry_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool entry_text_is(entry_text t, const char *text) { return entry_text_equal(t, entry_text_of(text)); }

/* What a run uses (sw_usage): places in an entry's `used`. */
typedef enum entry_used { ENTRY_INPUT_TOKENS, ENTRY_OUTPUT_TOKENS, ENTRY_UNITS, ENTRY_USED } entry_used;

/* Fields that a kind does not use are zero. Kinds and the order of their fields on disk: docs/internals/journal.md. */
typedef struct entry {
    entry_kind kind;
    uint64_t
        path; /* STEP_*, SLEEP, WAIT, CALLED, VALUE, PATCH, ROLLBACK: its own; TAKEN, TIMED_OUT: of the wait; RETURNED:
                 of the call; CHUNK: of the step or branch that streams it; CRASHED, STOPPED: of the step or branch that
                 was under way, 0 if unknown; LABEL, STATUS, USAGE: of the step, outside steps its own */
    entry_text id; /* the path's id, to check the path; CHUNK, ROLLBACK: the step's label, CHUNK outside steps: "";
                      LABEL: its key; USAGE: the model, "" if none is named */
    uint32_t occurrence; /* which of the equal ids of its branch, from 0; CHUNK outside steps: which of the branch */
    uint32_t attempt;    /* STEP_*: from 1; LABEL, STATUS, USAGE: of the step, 0 outside steps; REOPENED: the generation
                            that begins, from 1; CALLED: how often the call was made before */
    uint32_t asked; /* REOPENED: the generation of the run that has called this one, for which it goes on; 0: none */
    /* STEP_*, SLEEP, WAIT, TAKEN, TIMED_OUT, CALLED, RETURNED, WON, ABANDONED: 0 in entries of 0.1.0 */
    uint64_t branch;     /* path of the branch around it; BRANCH: of its parent */
    uint32_t began;      /* entries that the run had when its first attempt, the wait, call or branch began */
    uint64_t input_hash; /* STEP_*, DIFFERS: of the input, 0 if unknown; see docs/internals/journal.md */
    uint64_t epoch; /* STARTED, STEP_*, SLEEP, WAIT, STOPPED, RELEASED, REOPENED: when it was made; see entry_opening,
                       entry_setting */
    int64_t at_ms;  /* Unix: when it happened (STEP_*: when the attempt ended) */
    int64_t duration_ms;  /* STEP_*: of the attempt; CALLED: .timeout_ms of the call, 0 if none */
    int64_t due_ms;       /* SLEEP: until; STEP_FAILED: next attempt, 0 if none; WAIT: its timeout, 0 if none; STARTED,
                             REOPENED: the run's deadline, 0 if none; CALLED: the child's deadline, 0 if none */
    int64_t begins_ms;    /* CALLED: when the child is to begin, 0: at once */
    bool detached;        /* CALLED: nobody waits for the child */
    bool absolute;        /* SLEEP, WAIT: due_ms is what was asked for; else it has a length, due_ms - at_ms */
    bool fatal;           /* STEP_FAILED */
    bool answer;          /* PATCH; SENT: the other run gets it */
    entry_text error;     /* STEP_FAILED, ENDED (failed), STOPPED, RETURNED: the message; CANCEL, RELEASED, REOPENED: by
                             whom */
    entry_text by;        /* STOPPED: the operator who did it, "" for all other reasons; SIGNAL: who has sent it */
    entry_text signal;    /* WAIT, SIGNAL, SENT: the signal's name */
    uint64_t question;    /* WAIT and its ends: path of the question that the wait belongs to; 0: none, so far */
    entry_text letter;    /* SIGNAL, TAKEN, SENT: the signal's id, which no other of its run has: ENTRY_LETTER_BYTES */
    entry_text child;     /* CALLED, RETURNED: id of the run that was called, 16 bytes */
    entry_text input;     /* STEP_DONE, CALLED: msgpack bytes of the input, "" if there is none or it is left out */
    uint64_t input_bytes; /* STEP_DONE: how long an input is that is left out for its length; else 0 */
    entry_text value; /* STEP_DONE, VALUE, CHUNK, STATUS, SIGNAL, RETURNED: msgpack bytes of the value; LABEL: its text;
                         ENDED: of the result, if the run has succeeded and another one waits for it */
    int64_t used[ENTRY_USED];     /* USAGE: what this one says */
    int64_t used_sum[ENTRY_USED]; /* USAGE: what all of the run have said so far, with this one */
    entry_text calls;   /* STEP_*, ABANDONED: msgpack bytes of the calls that the attempt made, at most ENTRY_CALLS_MAX,
                           and behind them what runtime/run/attempt_input.h adds to an attempt without a result */
    entry_text causes;  /* ENDED, STOPPED: paths of the steps whose final failure ended or stopped the run; REOPENED: of
                           those whose failures count no more; WON: of the members that are given up. 8 bytes each, big
                           endian */
    uint64_t winner;    /* WON: path of the member that has won */
    uint32_t member;    /* WON: which of the group's members that is, from 0 */
    entry_text remarks; /* ENDED: what the run has said of itself: LABEL, STATUS and USAGE entries, encoded */
    /* STARTED */
    entry_text function;       /* route: "GET /orders/:id"; CALLED: the function's name */
    entry_text version;        /* DIFFERS, UNASKED: of the program that found it */
    entry_text method, target; /* SENT: the id of the other run, as the program had it */
    entry_text owner;          /* node that runs it */
    entry_text params;         /* route parameters: a msgpack map of strings */
    entry_text more;           /* what is optional: a msgpack map of names to values; unknown names are ignored */
    /* STARTED, RESPONSE */
    entry_text headers; /* a msgpack array [name, value, name, value, ...] */
    entry_text body;
    /* RESPONSE, ENDED, CANCEL, STOPPED, CRASHED, RETURNED */
    int status; /* RESPONSE: HTTP status; ENDED, RETURNED: entry_ended; CANCEL: entry_cancel; STOPPED: entry_stop;
                   CRASHED: the signal */
} entry;

typedef enum entry_cancel {
    ENTRY_CANCEL_NONE = 0,
    ENTRY_CANCEL_ASKED = 1, /* by a client or an operator */
    ENTRY_CANCEL_GONE = 2,  /* its last client went away */
    ENTRY_CANCEL_LATE = 3,  /* it is over its deadline */
    ENTRY_CANCEL_STALE = 4  /* it was stopped for longer than --retain-stopped */
} entry_cancel;

typedef enum entry_stop {
    ENTRY_STOP_NONE = 0,
    ENTRY_STOP_OPERATOR = 1,
    ENTRY_STOP_CRASHES = 2, /* it ended the process again and again */
    ENTRY_STOP_EXHAUSTED = 3,
    ENTRY_STOP_DIFFERS = 4,
    ENTRY_STOP_UNDO = 5,
    ENTRY_STOPS_END
} entry_stop;

typedef enum entry_ended { ENTRY_SUCCEEDED = 0, ENTRY_FAILED = 1, ENTRY_CANCELLED = 2 } entry_ended;

/* Whether the kind is a remark: what the run's code says of the run, beside what it does. */
static inline bool entry_is_remark(entry_kind kind)
{
    return kind == ENTRY_LABEL || kind == ENTRY_STATUS || kind == ENTRY_USAGE;
}

/* False: a run may append such an entry again whenever it is replayed: chunks and what takes them back, branches,
 * differences, remarks. */
static inline bool entry_is_progress(entry_kind kind)
{
    return kind != ENTRY_CHUNK && kind != ENTRY_ROLLBACK && (int)kind < ENTRY_PASSABLE;
}

enum { ENTRY_CALLS_MAX = 4096, ENTRY_LETTER_BYTES = 16 };

/* An entry's `epoch`: the lower 48 bits are the opening of the store that made the entry (store_epoch), those above how
 * many times the run's loop had seen the wall clock set before, in that opening. */
enum { ENTRY_OPENING_BITS = 48 };
static inline uint64_t entry_epoch(uint64_t opening, uint32_t setting)
{
    assert(opening >> ENTRY_OPENING_BITS == 0);
    return opening | (uint64_t)setting << ENTRY_OPENING_BITS;
}
static inline uint64_t entry_opening(uint64_t epoch) { return epoch & ((UINT64_C(1) << ENTRY_OPENING_BITS) - 1); }
static inline uint32_t entry_setting(uint64_t epoch) { return (uint32_t)(epoch >> ENTRY_OPENING_BITS); }

/* `causes` are paths of 8 bytes each, big endian: how many there are, and each of them. */
static inline size_t entry_cause_count(const entry *e) { return e->causes.len / sizeof(uint64_t); }
uint64_t entry_cause(const entry *e, size_t i);
/* Whether this path is one of them: looks at all, so whoever has many paths to ask for looks for each cause among these
 * instead. */
bool entry_has_cause(const entry *e, uint64_t path);

/* The message of entry_decode for an unknown kind below ENTRY_PASSABLE: a newer program wrote the journal. */
extern const char entry_newer[];

/* Appends the entry to the buffer. Returns 0; -1, and the buffer is as before: it cannot grow, or a text has 4 GiB. */
int entry_encode(msgpack_sbuffer *to, const entry *e);

/* Reads one entry, whose texts borrow from `data`. Returns how many bytes it has; 0 with a static message in *error
 * (entry_newer, or what is damaged): this version cannot read it. Of an unknown kind from ENTRY_PASSABLE on only `kind`
 * is set. */
size_t entry_decode(const char *data, size_t len, entry *out, const char **error);

#endif
