/* verdict: what the executions under --prove have shown so far, to be printed as one page. Owns its texts. */
#ifndef RUNTIME_PROVE_VERDICT_H
#define RUNTIME_PROVE_VERDICT_H

#include <stdio.h>

#include "runtime/base/arena.h"
#include "runtime/probe/tape.h"
#include "runtime/prove/execution.h"

typedef enum finding_kind {
    FINDING_DIFFERS, /* the handler did something else than in the first execution */
    FINDING_READ,    /* a clock or random numbers were read outside steps; bad only if something differs */
    FINDING_EFFECT,  /* something was done outside steps */
    FINDING_CALL,    /* a call may be made twice, and nobody could tell */
    FINDING_CALL_OK, /* a call that has a key or may be repeated */
    FINDING_UNKNOWN, /* a call that the recording does not have */
    FINDING_TWICE,   /* a finished step ran again: the library's fault */
    FINDING_NO_END,  /* the process died, or the run did not end */
    FINDING_FAILED   /* the first run failed: its proof says little */
} finding_kind;

typedef struct finding {
    struct finding *next;
    finding_kind kind;
    const char *who;  /* a step, a branch, "handler" */
    const char *what; /* what was seen, for people */
    const char *file; /* with `address`: where in the code; NULL: nobody knows */
    uint64_t address;
    const char *location; /* file and address for people, made for the page */
    unsigned crash;       /* the first crash point that shows it; 0: the first execution */
} finding;

/* One call in its place, over all executions. */
typedef struct seen_call {
    struct seen_call *next, *next_in_bucket; /* in their order; by path */
    uint64_t path;
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
    arena scratch;                      /* of what is being looked at; emptied with each execution */
    size_t entries, points, same, once; /* points of which the answer was the same; and no finished step ran twice */
    size_t points_possible;             /* more than were tried, with --prove-points */
    finding *findings, **findings_end;
    seen_call *calls, **calls_end;
    seen_call *buckets[VERDICT_BUCKETS];
} verdict;

/* A crash point, and what came of it. */
typedef struct crash_point {
    unsigned number;
    const char *journal; /* what the run went on from */
    size_t journal_len;
} crash_point;

void verdict_init(verdict *v);
void verdict_free(verdict *v);

/* What any execution shows by itself: its calls, and what it does outside steps. `crash` 0: it is the first. */
void verdict_look(verdict *v, const execution *x, unsigned crash);
/* An execution that went on from a crash point, beside the first one, whose tape this is. */
void verdict_compare(verdict *v, const execution *first, const tape *t, const execution *x, const crash_point *p);

/* How many entries the machine can die behind, and the run goes on. Response and end are one commit: there is nothing
 * between them. */
size_t verdict_prefixes(const execution *first);

/* It is over and the run is not. */
void verdict_no_end(verdict *v, const execution *x, unsigned crash);

/* The calls that may be made twice, and those that may not. `repeatable`: patterns of step ids, with commas; may be
 * NULL. */
void verdict_judge_calls(verdict *v, const char *repeatable);

/* Prints the page. True: nothing is wrong. */
bool verdict_print(verdict *v, const execution *first, FILE *to);

/* Once for all of the same kind, who and what. Texts are copied. Adds nothing when memory is out, or was for a text. */
void verdict_add(verdict *v, finding_kind kind, const char *who, const char *what, unsigned crash);
/* In scratch memory. */
const char *verdict_who(verdict *v, entry_text label, entry_text step);

#endif
