/* world: all that outlives a process of the simulation, in memory that the simulator shares with it: the disk, the
 * time, the randomness, what the plan of the seed says, and the ledger of what handlers have done, clients have been
 * told and the disk has acknowledged. There is one at a time. It knows nothing of the runtime: promises.c compares. */
#ifndef TESTS_SIMULATION_WORLD_H
#define TESTS_SIMULATION_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/run/run_machine.h"
#include "runtime/run/slot_machine.h"
#include "storage/memory/memory.h"

enum {
    JOBS_MAX = 10,
    CHILD_JOBS = 3, /* which no client asks for: behind those of the plan (called.h) */
    OPS_MAX = 64,
    REOPENS_MAX = 30, /* those that are asked for one by one, those of bulk actions, and those with a caller */
    RESUMES_MAX = 3,  /* of a run, one by one */
    BULKS_MAX = 6,
    SIGNALS_MAX = 512,
    QUESTIONS_MAX = 128,
    QUESTION_URL = 192,
    CHOICES_MAX = 32,
    SIGNAL_NAMES = 3,
    LETTERS_MAX = 512,
    LETTER_KEY = 24,
    SIGNAL_ID = 16,
    FORK_ASKS_MAX = 8,
    PATHS_MAX = 128,
    RUNS_MAX = 192,
    CLIENTS_MAX = 24,
    NONCES_MAX = 65536,
    CALLS_MAX = 65536,
    FRAMES_MAX = 512,
    EVENTS_MAX = 24,
    BODY_MAX = 4096,
    REQUEST_MAX = 8192,
    ANSWER_MAX = 131072,
    URL_MAX = 512,
    KEY_TEXT = 27,
    REMARK_LABELS = 4,
    RUN_TEXT = 27,
    FOLDER_TEXT = 48
};

/* ---- Programs (program.h) ---- */

typedef enum op_kind {
    OP_STEP,
    OP_TRY,    /* a step that may fail for good */
    OP_EACH,   /* its children are the steps */
    OP_GROUP,  /* its children are steps, branches, waits and sleeps, `other` what runs before they are waited for */
    OP_BRANCH, /* of a group */
    OP_SLEEP,
    OP_UNTIL, /* sw_sleep_until some time after sw_now */
    OP_CHUNK,
    OP_NOW,
    OP_RANDOM,
    OP_IF,    /* its children or `other`, as sw_random says */
    OP_PATCH, /* its children if sw_patch says so, else `other`, as programs do that do not ask yet */
    OP_FAIL,
    OP_DEFER,
    OP_WAIT, /* for a signal, of `name`, for `ms`: 0: without a timeout, below: not at all */
    OP_ASK,  /* a person, whose answer the wait behind it takes: both have a `name` of their own (asked.h) */
    OP_SEND, /* a signal to a run (sent.h) */
    OP_CALL  /* a function, whose run does the job `calls_job`, and begins after `ms` (called.h) */
} op_kind;

enum { NO_OP = -1, FAILS_ALWAYS = 99 };

typedef struct op {
    op_kind kind;
    int16_t child, other, next; /* first of a list; NO_OP: none */
    int16_t parent;             /* the EACH or GROUP that it is a member of */
    char id[8];
    int16_t fails;    /* so many attempts fail first */
    int16_t retries;  /* as sw_step_options has it */
    int16_t chunks;   /* of each attempt */
    int16_t parallel; /* EACH, GROUP: members at a time; 0: all */
    bool fatal, after, sync, settles, calls;
    bool any;                                /* GROUP: the first success of its members decides it (selected.h) */
    bool by_options;                         /* EACH, GROUP: made with options, and those of steps are its members' */
    int16_t mends;                           /* after so many releases of its run no attempt fails by itself */
    bool lingers;                            /* an attempt that is to fail does so by `timeout_ms` */
    bool changes;                            /* a program that has changed gives it another input */
    int32_t work_ms, timeout_ms, backoff_ms; /* of an attempt */
    int32_t ms;                              /* of a sleep or wait */
    char name;                               /* of the signal of a wait */
    int16_t choices;                         /* ASK: so many, one of which is the answer; 0: it is any */
    int16_t calls_job;                       /* CALL */
    bool detached, tries;                    /* CALL */
    int32_t bytes;                           /* of the result, beside its nonce */
} op;

/* What a request asks for. */
typedef struct job {
    unsigned endpoint;
    char key[16]; /* Idempotency-Key; "": none */
    int16_t first;
    unsigned op_count;
    op ops[OPS_MAX];
    unsigned pad;   /* bytes of the request's body beside what is needed */
    int16_t poison; /* an attempt of it kills the process, where that is planned; NO_OP: none */
} job;

typedef enum endpoint_of {
    ENDPOINT_USUAL,
    ENDPOINT_HASTY,
    ENDPOINT_TIED,
    ENDPOINT_LATE,
    ENDPOINT_STRICT,
    ENDPOINT_PATIENT,  /* a run of it stops when a step has used its retries */
    ENDPOINT_FUNCTION, /* no route: its runs are begun at the admin API, with an input */
    ENDPOINTS
} endpoint_of;
/* A run of it stops when it gets another input than before. */
static inline bool endpoint_stops(unsigned e)
{
    return e == ENDPOINT_TIED || e == ENDPOINT_LATE || e == ENDPOINT_STRICT;
}
enum { DEADLINE_LEAST_MS = 4000, DEADLINE_MOST_MS = 40000 };

/* ---- The ledger ---- */

/* What a run has ended with. */
typedef struct run_end {
    int status;    /* 0: not yet */
    uint64_t body; /* its hash */
} run_end;

/* What has become of one operation of a run. */
typedef struct op_state {
    char key[KEY_TEXT];  /* sw_step_key; "": no attempt has begun */
    uint32_t open;       /* attempts under way in this process */
    uint32_t begun;      /* attempts ever */
    uint32_t failures;   /* on disk */
    uint32_t chunks;     /* on disk, of an attempt that has not ended there */
    bool done, failed;   /* its end is on disk */
    bool fatal;          /* `failed`, and not since it had used its retries */
    uint64_t nonce;      /* of the result that is on disk */
    bool chosen;         /* the choice is on disk */
    uint64_t choice;     /* as the handler saw it last */
    unsigned drawn;      /* place of that telling among the run's, from 1 */
    bool seen;           /* this execution has seen it */
    uint64_t value_path; /* of the choice's entry; 0: not on disk */
    bool copied;         /* a fork: what is on disk of it is the original's */
    unsigned before;     /* results that this execution had when it came to the step */
    int64_t ended_ns;    /* when an attempt of it ended last; 0: never */
    int64_t slept_ns;    /* OP_SLEEP: when it began in this process; 0: not in this one */
    bool waits;          /* OP_WAIT: *wait* is on disk, and what has become of it is not */
    bool called;         /* OP_CALL: *called* is on disk, and counts */
    unsigned called_in;  /* that process */
    uint32_t generation; /* how often it was called before */
    int16_t child;       /* the run that it has called */
    bool given_up;       /* by a decision that is on disk: it, or what it is part of, has not won */
    /* What it says of its run (remarked.h). */
    bool said;                           /* outside steps, all of it, in this execution */
    bool labelled, used, has_status;     /* outside steps, on disk */
    unsigned told_attempt, used_attempt; /* the last that has said its usage; of the last usage on disk */
} op_state;

typedef struct run_record {
    char id[RUN_TEXT];
    int16_t job;  /* -1: not known */
    bool is_fork; /* of the run `origin`, asked for by `fork_ask` (forked.h) */
    int16_t origin, fork_ask;
    /* One that was called (called.h). */
    unsigned caller; /* by that run, and 1, at `caller_op`; 0: by none, as far as the disk has it */
    int16_t caller_op;
    bool is_child, is_awaited;      /* its *started* says that it was called; its caller waits for it */
    int64_t begins_ms;              /* not before */
    unsigned returns;               /* letters to its caller that ever came to the disk */
    unsigned told[REOPENS_MAX + 1]; /* by the generation of its caller: bits of the outcomes that these tell */
    bool recalled;        /* a letter that cancels it, since its caller has ended, or nobody wants its result */
    unsigned recalled_in; /* the last generation in which the caller has done so, from 1 */
    bool wanted;          /* a letter that has it go on, since its caller does */
    unsigned wanted_in;   /* that process, from 1, for the last one */
    uint32_t asked;       /* as its last *reopened* says */
    unsigned end_count;   /* how often it has ended */
    bool has_succeeded;
    uint64_t result;  /* of that */
    unsigned left_in; /* that process, from 1, to wait for all that it has called; 0: for something else */
    int64_t left_ns;
    uint32_t left_entries;     /* on disk then */
    int64_t due_ms;            /* its deadline, by *started* or *reopened*; 0: none */
    unsigned salt;             /* of its request's body; 0: none */
    uint64_t paths[PATHS_MAX]; /* of its steps, sleeps and branches on disk */
    unsigned path_count;
    unsigned slept;      /* a fork: bits of the ids of sleeps that it has copied */
    bool alive;          /* an execution of its handler is under way in this process */
    uint32_t executions; /* ever */
    bool has_got_on;     /* the last of them has made a commit, or has not come from a journal */
    bool on_disk;        /* its *started* is */
    bool cancelled;      /* an entry *cancel* is */
    int cancel_reason;   /* of that */
    bool ended;
    int outcome;      /* of *ended* */
    int64_t ended_ms; /* when, by that */
    int status;       /* of *response* */
    size_t body_len;
    char body[BODY_MAX];
    unsigned reopened;               /* entries *reopened* */
    bool asked_to_reopen;            /* somebody has sent that it may go on after its end */
    run_end ends[REOPENS_MAX + 1];   /* by how often it was reopened before */
    unsigned draws;                  /* how often a handler was told a choice */
    uint32_t entries;                /* on disk */
    uint64_t entries_hash;           /* of their bytes */
    uint64_t returned[OPS_MAX];      /* nonces that this execution's handler has got */
    unsigned returned_count;         /* of them */
    bool cancel_promised;            /* a client was told so, and it had not ended */
    int64_t cancelled_ns;            /* when the entry *cancel* came to the disk; 0: not in this process */
    bool asked_to_cancel;            /* a client has sent DELETE */
    bool asked_to_release;           /* somebody has sent that it may go on */
    unsigned asked_to_stop;          /* how often the operator has sent that it is to stand */
    unsigned stops_asked;            /* entries *stopped* that this has led to */
    bool stop_owed;                  /* the operator was told that it will stand, and it has not since */
    uint64_t causes;                 /* bits of the operations that are those of the last *stopped* or *ended* */
    uint64_t stop_causes;            /* of the last *stopped* */
    int stop;                        /* reason of the entry *stopped* behind which none *released* is; 0: none */
    unsigned stops, releases;        /* such entries */
    unsigned reasons;                /* bits of theirs */
    int64_t started_ms;              /* of *started*, on the wall clock as the other two */
    int64_t last_ms;                 /* of the latest entry */
    int64_t stopped_ms, stood_ms;    /* of the last *stopped*; how long it stood before that */
    bool is_former;                  /* it was on disk when this process began */
    bool released_here;              /* *released* is on disk since then */
    unsigned kills;                  /* processes that died of it */
    unsigned crashes, in_a_row;      /* entries *crashed*; without progress since */
    uint64_t labels[REMARK_LABELS];  /* by their keys: what the last on disk says, and 1; 0: none is */
    uint64_t last_status;            /* as those */
    int64_t usages;                  /* on disk */
    uint64_t frame_hash[FRAMES_MAX]; /* of what its streams were told; 0: not yet */
    uint32_t open_defers;
    uint32_t moves;      /* sleeps that were over for a handler */
    int64_t told_due_ns; /* its page has named this time, at which it moves; 0: none */
    uint64_t told_moves; /* what had happened to it until then */
    op_state ops[OPS_MAX];
} run_record;

/* ---- Forks (forked.h) ---- */

/* Paths of steps, sleeps and values. */
typedef struct path_list {
    uint64_t paths[PATHS_MAX];
    unsigned count;
} path_list;

/* One request for a fork, and the question before it. */
typedef struct fork_ask {
    int16_t source;
    uint64_t from;   /* path; 0: the whole run */
    unsigned salt;   /* of the body that the fork is to have; 0: the original's */
    uint32_t known;  /* entries of the original on disk when the question was sent */
    bool has_key;    /* and is sent again when its answer is lost */
    unsigned sent;   /* how often the request was, beside the question */
    bool is_refused; /* it was, and nothing has begun */
    bool is_told;    /* its fork was named */
    unsigned named;  /* the run that answers named, and 1; 0: none */
    /* What the question was told. */
    unsigned entries;
    path_list copied, again;
} fork_ask;

/* ---- Bulk actions (bulked.h) ---- */

typedef enum deed { DEED_CANCEL, DEED_STOP, DEED_RELEASE, DEED_RESUME, DEEDS } deed;

/* How a run was when a bulk action was asked for. */
typedef struct bulk_target {
    bool is_there, is_live;
    int stop;
    unsigned stops, reopened;
} bulk_target;

/* One request for a bulk action, and the question before it. */
typedef struct bulk_ask {
    deed deed;
    int16_t endpoint;             /* of the runs that are meant; -1: all are */
    unsigned per_second;          /* tells whose request it is: one less, modulo BULKS_MAX, is its number */
    unsigned max;                 /* letters; 0: no limit */
    bool has_key;                 /* and is sent again when its answer is lost */
    bool has_as_of;               /* it names the moment that the answer to the question named */
    int64_t as_of_ms;             /* that moment; 0: there was no answer */
    unsigned sent;                /* how often the request was, beside the question */
    bool is_refused;              /* it was, and nothing has begun */
    bool is_told;                 /* its run was named */
    uint64_t commits;             /* on disk when the question was sent */
    bulk_target before[RUNS_MAX]; /* when the request was sent first */
} bulk_ask;

/* Runs by what became of them, as a bulk action says it; `vain`: of those that were left out, those whose letter has
 * led to nothing; `barred`: those that cannot be acted on for a reason that passes. */
typedef struct bulk_sum {
    int64_t done, pending, skipped, vain, barred;
} bulk_sum;

typedef struct bulk_record {
    char id[RUN_TEXT];
    int16_t ask;
    int64_t as_of_ms;
    uint32_t entries; /* on disk */
    uint64_t entries_hash;
    bool ended;
    int outcome;
    int stop;                      /* as run_record has it */
    unsigned stops;                /* entries *stopped*, and processes that held it */
    bool is_former, released_here; /* as run_record has them */
    bool marked[RUNS_MAX];         /* a letter to that run was on disk */
    unsigned marks;
    bulk_sum told;
} bulk_record;

/* ---- Signals (signalled.h) ---- */

/* One that the operator sends, or a run, whose value is its number. */
typedef struct signal_note {
    int16_t run;
    char name;
    bool has_key;
    bool had;          /* *signal* is in the run's journal, on disk */
    bool handed;       /* this execution's handler has got it */
    bool is_gone;      /* its run has ended without it, and its letters are deleted */
    unsigned sent;     /* how often */
    unsigned order;    /* place of its first letter on disk among all; 0: none has been there */
    unsigned letters;  /* that ever came to the disk */
    unsigned question; /* it answers that one; 0: none */
    int16_t choice;    /* with that one of its choices, from 1; 0: it has none; below: with none of them */
    bool by_form;      /* as people do who have seen the question's page */
    unsigned sender;   /* run that sends it, and 1; 0: the operator does */
    int16_t sender_op;
    bool is_sent; /* *sent* is on disk, and says that its run gets it */
    uint8_t id[SIGNAL_ID];
} signal_note;

typedef struct letter_note {
    uint8_t key[LETTER_KEY];
    int16_t signal;
    bool is_there;
} letter_note;

/* ---- Questions (asked.h) ---- */

typedef struct question_note {
    int16_t run, op;
    bool on_disk;  /* its entry is */
    unsigned told; /* the answer that somebody was told; 0: none */
    char url[QUESTION_URL];
} question_note;

/* ---- Endpoints that the operator stops (shut.h) ---- */

typedef struct shut_endpoint {
    bool has_row, is_shut; /* on disk: a setting, and one that stops it */
    bool is_told;          /* the operator was, and has not asked for the contrary since */
    bool is_asked;         /* a change may be under way */
    unsigned changes;      /* of its setting on disk */
} shut_endpoint;

/* ---- Clients (client.h) ---- */

typedef enum client_wish {
    WISH_ANSWER,
    WISH_ASYNC,
    WISH_WAIT,
    WISH_STREAM,
    WISH_CANCEL,
    WISH_RELEASE,
    WISHES,
    WISH_OPERATE = WISHES /* operator.h */
} client_wish;

typedef enum client_state {
    CLIENT_AWAY,    /* comes at `at_ns` */
    CLIENT_SENDS,   /* its request is on its way */
    CLIENT_READS,   /* waits for, or reads, the response */
    CLIENT_DONE,    /* knows the answer */
    CLIENT_GIVES_UP /* the connection broke, and nothing told it where to ask */
} client_state;

/* What the request under way is for. */
typedef enum client_target {
    TARGET_ENDPOINT,
    TARGET_OUTPUT,
    TARGET_STREAM,
    TARGET_RUN, /* DELETE */
    TARGET_RELEASE,
    TARGET_STOP, /* the operator's */
    TARGET_RESUME,
    TARGET_SHUT,
    TARGET_OPEN,   /* by a setting that says so */
    TARGET_UNSHUT, /* by deleting it */
    TARGET_FORK_DRY,
    TARGET_FORK,
    TARGET_BULK_DRY,
    TARGET_BULK,
    TARGET_BULK_RELEASE, /* of the action's own run */
    TARGET_SIGNAL,
    TARGET_QUESTION, /* its page */
    TARGET_PAGE
} client_target;

typedef struct client {
    client_state state;
    client_wish wish;
    client_target target;
    int16_t job, run;  /* -1: not known yet */
    int64_t at_ns;     /* when it comes, or reads on */
    int64_t leaves_ns; /* it vanishes then; 0: it stays */
    int32_t stays_ms;  /* how long, after it has sent its first request; 0: for good */
    int fd;            /* of this process; -1: none */
    unsigned requests, refusals, audits;
    uint32_t begun_before;                /* attempts of its job's runs when it sent its request */
    unsigned stops_before;                /* stops of its run when it sent its request; 0: it did not stand */
    unsigned stops_seen, releases_before; /* its stops, standing or not, and its releases, then */
    int64_t asked_ns;                     /* when it sent its request */
    uint32_t entries_before;              /* of its run on disk, then */
    unsigned forks_before;                /* of its run on disk, then */
    unsigned reopened_before;             /* how often its run had been reopened, then */
    bool ended_before;                    /* its run had failed or was cancelled, then */
    unsigned steers;                      /* how often it still wants to release its run */
    int16_t endpoint;                     /* TARGET_SHUT and the next two: whose setting */
    bool asked_shut, had_row, was_shut;   /* what that endpoint's setting was when it sent its request: see shut.h */
    unsigned shut_changes;
    int16_t fork_ask;                      /* TARGET_FORK, TARGET_FORK_DRY: which */
    int16_t bulk;                          /* TARGET_BULK_RELEASE: which; TARGET_BULK, TARGET_BULK_DRY: which request */
    int16_t signal;                        /* TARGET_SIGNAL: which; TARGET_QUESTION: which is to be sent then */
    char form[QUESTION_URL];               /* what the form of the last page had that says so */
    unsigned form_question;                /* whose page that was; 0: none */
    int64_t form_ns;                       /* when it came */
    bool reuses;                           /* asks again on the same connection */
    unsigned pace;                         /* bytes at a time; 0: all there is */
    int32_t rest_ms;                       /* between them */
    char output[URL_MAX], stream[URL_MAX]; /* paths with query; "": not known */
    uint32_t cursor;                       /* last frame that it has */
    bool has_metadata, has_end;            /* of the stream that it reads */
    char request[REQUEST_MAX];
    size_t request_len, sent;
    /* The response under way. */
    int status;  /* 0: its head is not there yet */
    long length; /* -1: in chunks */
    char run_id[RUN_TEXT], location[URL_MAX];
    bool closes;
    size_t answer_len, frames_len;
    char answer[ANSWER_MAX]; /* as it came, behind the head when there is a status */
    char frames[ANSWER_MAX]; /* of a stream: without the framing of chunks, not yet parsed */
} client;

/* ---- The plan of a seed (schedule.h) ---- */

typedef enum end_kind {
    END_QUIET, /* when all is done: a clean end */
    END_DRAIN, /* a clean end in the middle */
    END_TURN,  /* a crash in some turn */
    END_BEFORE_WRITE,
    END_AFTER_WRITE,
    END_ATTEMPT, /* a crash in the middle of an attempt */
    END_POWER,   /* the power goes, before or after the write is on disk */
    END_FAULT,   /* it dies of a fault between runs, in some turn */
    ENDS_DRAWN,
    END_POISON = ENDS_DRAWN, /* it dies of a fault in an attempt of a poison */
    END_KINDS
} end_kind;

typedef enum event_kind {
    EVENT_WRITE_FAULT, /* a: memory_fault, b: lasts so many ms */
    EVENT_READ_FAULT,  /* b: ms */
    EVENT_NO_STACKS,   /* b: ms */
    EVENT_NO_MEMORY,   /* a: heap_shortage, b: lasts so many ms, where it does */
    EVENT_CLOCK_SET,   /* a: ms */
    EVENT_STALL,       /* b: the process does nothing for so many ms */
    EVENT_KINDS
} event_kind;

typedef enum event_state { EVENT_WAITS, EVENT_LASTS, EVENT_OVER } event_state;

typedef struct event {
    event_kind kind;
    event_state state;
    int64_t at_ms; /* after the process began */
    int64_t a, b;
} event;

typedef struct epoch_plan {
    end_kind end;
    unsigned at; /* the turn, write, attempt; END_DRAIN: ms */
    unsigned event_count;
    event events[EVENTS_MAX];
    int32_t write_ms, read_ms; /* longest delay of each */
    unsigned loops, runs_max;
    bool changed;        /* the program gives some steps another input */
    bool no_resume;      /* runs of former processes stand until they are released */
    int lacks;           /* the endpoint that the program does not have; -1: none */
    unsigned operations; /* what an operator does that nobody needs */
    unsigned bulks;      /* requests for bulk actions */
} epoch_plan;

enum { EPOCHS_MAX = 7 };

typedef struct plan {
    unsigned jobs, clients, epochs; /* the last of these is quiet */
    epoch_plan epoch[EPOCHS_MAX];
    unsigned calls;    /* percent of the steps that make one */
    unsigned selects;  /* percent of the groups that want their first success; 0: nor do groups have other members than
                          steps and branches */
    unsigned children; /* jobs that are called; 0: nobody calls */
    unsigned lingers;  /* percent of the steps whose attempts fail by their time-out */
    unsigned talks;    /* percent of the operations that are questions, or signals to runs */
    bool sets_clock;
    unsigned deaths; /* so many processes may die of a poison */
    int64_t redirect_after_ms, park_after_ms, hold_ms, heartbeat_ms, drain_ms, retain_stopped_ms, stopped_answer_ms;
    int64_t deadline_ms;   /* of runs of ENDPOINT_LATE */
    unsigned patched_from; /* the first process whose program asks sw_patch; those before take the old way */
} plan;

/* ---- The whole ---- */

typedef enum randomness { RANDOM_PLAN, RANDOM_LIVE, RANDOM_KERNEL, RANDOMS } randomness;

/* What is no row of a table, and is to be met all the same. */
typedef enum meeting {
    MET_SOLO,       /* of a run that has ended the process: others were in memory, and had got on */
    MET_SOLO_ALONE, /* nothing was in memory */
    MET_SOLO_LATE,  /* others had not got on */
    MET_SOLO_OVER,  /* by its time */
    MET_WAVE,       /* opened for somebody who waited */
    MET_WAVE_EMPTY, /* opened since nobody did */
    MET_CANCEL_BEHIND,
    MET_DRAIN_BEHIND,
    MET_DRAIN_FAILED,   /* an attempt failed in a drain, and another is to follow */
    MET_EXHAUSTED,      /* a run stopped since a step had used its retries */
    MET_CLIENT_RELEASE, /* such a run was released with its own token */
    MET_MENDED,         /* such a run succeeded */
    MET_STOP_ASKED,     /* a run stopped for the operator */
    MET_STOP_AWAY,      /* it was not in memory when the operator asked */
    MET_STOP_REFUSED,   /* the operator was told that it stands already, or has ended */
    MET_WHY_LOOKED,     /* what the page of a live run would say was looked at */
    MET_WHY,            /* a run moved at the time that its page had named */
    MET_REOPENED,       /* a run that had ended goes on */
    MET_RESUMED,        /* such a run succeeded */
    MET_FORKED,         /* a run has begun as a fork */
    MET_FORK_LIVE,      /* its original had not ended */
    MET_FORK_UNTOLD,    /* and nobody was told */
    MET_FORK_AGAIN,     /* a request with a key that was sent again named one */
    MET_FORK_DONE,      /* a fork succeeded */
    MET_FORK_SAME,      /* with the answer of its original */
    MET_FORK_CALLS,     /* a fork has copied the result of a call */
    MET_FORK_CALLED,    /* or has made a call that its original has made */
    MET_FORK_WAITS,     /* or has copied what a wait has come to */
    MET_FORK_WON,       /* or the decision of a group */
    MET_FORK_RACED,     /* or goes its own way from what had lost a group */
    MET_REOPENED_WON,   /* a run that goes on after its end has a group that is decided */
    MET_REOPENED_WAIT,  /* or a wait that is not */
    MET_FORK_NAMED,     /* the page of its original named one */
    MET_BULK,           /* a bulk action has come to its end */
    MET_BULK_CUT,       /* one goes on in another process */
    MET_BULK_LETTER,    /* a letter of one is on disk */
    MET_BULK_VAIN,      /* and led to nothing */
    MET_BULK_COUNTED,   /* a dry run was held against the ledger */
    MET_SHUT,           /* an endpoint was stopped */
    MET_SHUT_REFUSED,   /* and a client was refused */
    MET_PATCH_OLD,      /* sw_patch sent a run the old way */
    MET_PATCH_NEW,      /* and one that had been loaded the new one */
    MET_SIGNAL,         /* a run has had a signal */
    MET_SIGNAL_EARLY,   /* a wait began when one of its name was there */
    MET_SIGNAL_AGAIN,   /* one that was sent more than once */
    MET_SIGNAL_LATE,    /* one was sent to a run that had ended */
    MET_TIMED_OUT,      /* a wait has got none */
    MET_SENT,           /* a run has sent a signal to another, or itself */
    MET_SENT_VAIN,      /* there was no such run, or it had ended */
    MET_SENT_AGAIN,     /* a later execution has come to one that was sent */
    MET_SENT_HAD,       /* a run has had such a signal */
    MET_ASKED,          /* a question is on disk */
    MET_ANSWERED,       /* somebody was told that the answer was taken */
    MET_ANSWERED_TWICE, /* or that another one was before */
    MET_CHOSEN,         /* that it was, and is one of the question's choices */
    MET_CHOSEN_NONE,    /* or that it is none of these */
    MET_FORM,           /* it came by the form of the question's page */
    MET_FORM_FOREIGN,   /* or by a form that no page of the question has made */
    MET_ANSWERED_LATE,  /* or that it is too late */
    MET_CALLED,         /* a run has called a function */
    MET_CALLED_DEEP,    /* one that was called itself */
    MET_CALLED_ALONE,   /* and waits for nothing of it */
    MET_CALLED_AGAIN,   /* it went on after its end, and had no result, or a failure */
    MET_RETURNED,       /* a call has its result */
    MET_RETURNED_BAD,   /* which is a failure */
    MET_RETURNED_LATER, /* in another process than the call was made in */
    MET_WOKEN,          /* a run that waited for its calls alone was loaded, and could go on */
    MET_RECALLED,       /* a run was cancelled for the end of its caller */
    MET_WANTED,         /* a run that was called is to go on with its caller */
    MET_CHILD_LATE,     /* a run that was called was over its deadline */
    MET_WON,            /* a member of a group has won */
    MET_WON_BRANCH,     /* a branch */
    MET_WON_WAIT,       /* a wait, by its signal */
    MET_WON_SLEEP,      /* a sleep */
    MET_WON_WITHIN,     /* within a branch of another group that wants its first success */
    MET_LOST_WITHIN,    /* a group within what has lost was not decided, and had begun */
    MET_WON_AGAIN,      /* a later execution has come to a decision */
    MET_CUT,            /* an attempt of what has lost was under way */
    MET_GIVEN_UP,       /* a wait or sleep, for something else than the success of another member */
    MET_NONE_WON,       /* a run has failed since all members of a group had */
    MEETINGS
} meeting;

typedef struct space {
    size_t used;
    void *free[48]; /* by size class */
} space;

typedef struct world {
    uint64_t seed;
    uint64_t random[RANDOMS];
    int64_t steady_ns;
    int64_t ahead_ms; /* the wall clock is ahead of that */
    unsigned epoch;
    int left_with;  /* the last process's code, see world_exit */
    bool rehearses; /* no process is forked */
    bool talks;     /* prints what happens */
    uint64_t hash;  /* of all that has happened */
    uint64_t happened;
    char broken[1024];  /* the promise that was broken, and how; "": none */
    bool journal_fails; /* from a write that failed until one succeeds */
    int64_t failed_ns;  /* when it did so last */
    bool no_stacks;
    bool drains;                      /* all loops of this process know that it is to end */
    uint64_t turns, writes, attempts; /* of this process */
    uint64_t crashes, failed_writes;  /* of all */
    unsigned deaths, faults;          /* processes that died of a poison, and of a fault that was nobody's */
    char folder[FOLDER_TEXT];         /* --data: for everything but the journal */
    plan plan;
    job jobs[JOBS_MAX + CHILD_JOBS];
    run_record runs[RUNS_MAX];
    unsigned run_count;
    client clients[CLIENTS_MAX + 1]; /* the last one is the operator */
    shut_endpoint shut[ENDPOINTS];
    bool cut_open[JOBS_MAX]; /* a request for it of this process broke off, sent when its endpoint was not stopped */
    fork_ask fork_asks[FORK_ASKS_MAX];
    unsigned fork_ask_count;
    bulk_ask bulk_asks[BULKS_MAX];
    bulk_record bulks[BULKS_MAX];
    unsigned bulk_ask_count, bulk_count;
    uint64_t commits;                 /* on disk */
    signal_note signals[SIGNALS_MAX]; /* from 1 */
    unsigned signal_count, signal_order;
    question_note questions[QUESTIONS_MAX]; /* from 1 */
    unsigned question_count;
    letter_note letters[LETTERS_MAX];
    unsigned letter_count;
    uint64_t nonces;
    uint32_t calls;            /* made by attempts */
    uint8_t called[CALLS_MAX]; /* how often each has come to the service */
    struct {
        int16_t run, op;
        bool changed;   /* its attempt had another input than the program gave at first */
    } made[NONCES_MAX]; /* who got a nonce */
    uint64_t life_taken[RUN_STATES][RUN_EVENTS], commits_taken[COMMITS][COMMIT_EVENTS];
    uint64_t slots_taken[SLOT_STATES][SLOT_EVENTS]; /* see coverage.h */
    uint64_t met[MEETINGS];
    memory_disk *disk;
    space space; /* of the disk, behind the world */
} world;

extern world *w;

/* One that is empty, for this seed. The memory is mapped by the first call. */
void world_begin(uint64_t seed, bool talks);

uint64_t world_random(randomness r);
/* 0 to n - 1. */
unsigned world_below(randomness r, unsigned n);
bool world_chance(randomness r, unsigned percent);
/* Between both, small ones more often. */
int64_t world_between(randomness r, int64_t least, int64_t most);

/* Something happened: part of the trace that a seed has to repeat. */
void world_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* NULL: the ledger has no such run. */
run_record *world_run(const char *id);
/* `of`: its job; -1: not known. */
run_record *world_run_make(const char *id, int of);

/* The process ends here, without a word to anybody; `code` is one of these. */
__attribute__((noreturn)) void world_exit(int code);
enum { WORLD_CRASHED = 42, WORLD_BROKEN = 43 };
/* It does by plan. */
__attribute__((noreturn)) void world_crash(const char *why);
/* It does by plan, of a signal that it brings on itself. */
__attribute__((noreturn)) void world_fault(const char *why);
/* In a new process: what that signal ends with. */
void world_expect_fault(void);

#endif
