/* fork_choice: which entries of a run's journal a fork of the run begins with: all that is finished and cannot depend
 * on the step from which the fork goes its own way. Pure: knows no home and no store. Owns nothing; what it makes lies
 * in the caller's arena.
 *
 * X is the step, sleep, wait or branch that the fork begins with. An entry is there when X had no entry yet, or it is
 * of something whose first attempt began then: that cannot have seen what X gave. Only what is finished is copied, so
 * that what it depends on is copied with it: whatever a step depends on was finished before the step began. */
#ifndef RUNTIME_RUN_FORK_CHOICE_H
#define RUNTIME_RUN_FORK_CHOICE_H

#include "runtime/base/arena.h"
#include "storage/entry.h"

typedef enum fork_fate {
    FORK_PASSED, /* says nothing of what the fork does: a failed attempt, a stop, the response, ... */
    FORK_COPIED, /* with the fork's start */
    FORK_AGAIN   /* the last entry of something that the fork does again */
} fork_fate;

typedef struct fork_entry {
    size_t at, len; /* in the journal */
    uint64_t path, branch;
    uint64_t letter; /* SIGNAL, TAKEN: by what the signal is told from others of the run; else 0 */
    uint32_t began;
    uint32_t attempt;
    uint16_t kind;
    bool is_final;  /* STEP_FAILED: for good */
    bool is_over;   /* SLEEP: its time has come */
    bool is_old;    /* of version 0.1, which did not say when things began */
    bool is_inside; /* CHUNK: of a step */
    bool is_said;   /* LABEL, STATUS: in a step */
    fork_fate fate;
} fork_entry;

typedef struct fork_choice {
    fork_entry *entries; /* of the whole journal, in order */
    uint32_t count;
    uint32_t copied;  /* how many are FORK_COPIED; *started* is none of them */
    uint32_t *places; /* count + 1: how many copied entries come before this one */
} fork_choice;

/* Where the fork goes its own way. */
typedef struct fork_point {
    uint64_t path;  /* of X; 0: nothing is copied */
    int64_t now_ms; /* Unix: sleeps that are over by then are finished */
} fork_point;

typedef struct fork_refusal {
    int status;      /* 404, 409, 503 */
    const char *why; /* static */
} fork_refusal;

/* Decides. False: there is no such fork, and *refusal says why. */
bool fork_choose(arena *a, entry_text journal, const fork_point *at, fork_choice *out, fork_refusal *refusal);

/* What `began` of a copied entry is in the fork, whose journal has fewer entries. */
uint32_t fork_began(const fork_choice *c, uint32_t began);

#endif
