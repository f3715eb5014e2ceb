/* verdict: what the executions under --prove have shown so far, printed as one page. Owns its findings and their texts,
 * never an execution. Drops a finding for which memory is out. */
#ifndef RUNTIME_PROVE_VERDICT_H
#define RUNTIME_PROVE_VERDICT_H

#include <stdio.h>

#include "runtime/base/arena.h"
#include "runtime/probe/tape.h"
#include "runtime/prove/execution.h"

typedef enum finding_kind {
    FINDING_DIFFERS, /* the handler did something else than in the first execution */
    FINDING_READ,    /* a clock or random numbers were read outside steps: no fault unless something differs */
    FINDING_EFFECT,  /* something was done outside steps */
    FINDING_CALL,    /* a call may be made twice, and the service could not tell */
    FINDING_CALL_OK, /* a call that has a key or may be repeated */
    FINDING_UNKNOWN, /* a call that the recording does not have */
    FINDING_TWICE,   /* a finished step ran again: the library's fault */
    FINDING_NO_END,  /* the process died, or the run did not end */
    FINDING_FAILED   /* the first run failed, so that its proof says little */
} finding_kind;

typedef struct finding {
    struct finding *next;
    finding_kind kind;
    const char *who;  /* a step or a branch, or "handler" */
    const char *what; /* what was seen, for people */
    const char *file; /* object file of the code, with `address` in it; NULL: unknown */
    uint64_t address;
    const char *location; /* file and address for people, set when the page is printed; NULL: unknown */
    unsigned crash;       /* the first crash point that shows it; 0: the first execution */
} finding;

/* One call, known by step and number, over all executions. */
typedef struct seen_call {
    struct seen_call *next;           /* in order of the first sight */
    struct seen_call *next_in_bucket; /* of the path's bucket */
    uint64_t run, path;
    uint32_t number;
    const char *who, *step, *method, *resource; /* resource: the URL without query */
    const char *key;                            /* its Idempotency-Key */
    uint64_t body_hash;
    bool has_step_key, is_sync;
    bool key_differs, body_differs; /* between executions */
} seen_call;

enum { VERDICT_BUCKETS = 4096 }; /* a power of two */

typedef struct verdict {
    arena memory;
    arena scratch;          /* of the execution that is being looked at; emptied with each one */
    const execution *first; /* borrowed; NULL: it has not been looked at */
    size_t points;          /* crash points that were tried; at most points_possible */
    size_t points_possible; /* those of the run, of which --prove-points may leave some out */
    size_t points_same;     /* crash points behind which steps and answer were as at first */
    size_t points_once;     /* crash points behind which no finished step ran again */
    finding *findings, **findings_end;
    seen_call *calls, **calls_end;
    seen_call *buckets[VERDICT_BUCKETS];
} verdict;

/* A crash point, and the disk that the runs went on from. */
typedef struct crash_point {
    unsigned number;  /* from 1 */
    const disk *disk; /* borrowed; NULL: of nothing */
} crash_point;

void verdict_init(verdict *v);
void verdict_free(verdict *v);

/* Adds what an execution shows by itself: its calls, and what it does outside steps. `crash`: its crash point; 0: it is
 * the first execution, which is borrowed from then on. */
void verdict_look(verdict *v, const execution *x, unsigned crash);
/* Compares `x`, which went on from crash point `p`, with the first execution, whose tape is `t`. */
void verdict_compare(verdict *v, const execution *first, const tape *t, const execution *x, const crash_point *p);

/* Returns behind how many of its entries the machine can die so that a run goes on. */
size_t verdict_prefixes(const execution *first);
/* Returns how many entries are on disk at crash point `crash`, which is one of these. */
size_t verdict_prefix(const execution *first, unsigned crash);

/* The crash points behind them are its attempts, then each attempt that is the last one of its endpoint or function:
 * there the run goes on in its process. Returns how many those are. */
size_t verdict_attempts(const execution *first);
/* Returns the attempt of the crash point of these with that number, from 0; NULL: there is none. *stays: the run goes
 * on in its process. */
const fact *verdict_attempt(const execution *first, size_t number, bool *stays);

/* Adds that the execution is over and its run has not ended. */
void verdict_no_end(verdict *v, const execution *x, unsigned crash);

/* Adds a finding for each call: may it be made twice? `repeatable`: patterns of step ids, separated by commas; may be
 * NULL. */
void verdict_judge_calls(verdict *v, const char *repeatable);

/* Prints the page. Returns whether nothing is wrong. */
bool verdict_print(verdict *v, const execution *first, FILE *to);

/* Returns who has told the fact, for people: a step, with its branch and, of a run that was called, its function; in
 * scratch memory. NULL: out of memory. */
const char *verdict_who(verdict *v, const execution *x, const fact *f);
/* Likewise, the run. */
const char *verdict_who_run(verdict *v, const execution *x, uint64_t lineage);
/* Whether the run was given up in either execution, or one of those by which it came to be called: its call lost
 * against another member of its group, or its caller ended. It was cancelled where it just was. */
bool verdict_has_lost(const execution *first, const execution *x, uint64_t lineage);

/* Adds a finding, unless one with its kind, who and what is there. Copies the texts; a NULL text, for which memory was
 * out, adds nothing. */
void verdict_add(verdict *v, finding_kind kind, const char *who, const char *what, unsigned crash);

#endif
