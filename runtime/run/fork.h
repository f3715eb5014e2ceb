/* fork: begins a run that has done what another run has done, up to a step from which it goes its own way. Owns the
 * wish from its question to its answer, and the fork's first segment on its way to the disk; from there on the fork is
 * a run like any other that waits outside memory. Never changes the run that is forked. On the thread of that run's
 * home, which is the fork's home too. Which entries are copied: runtime/run/fork_choice.h. */
#ifndef RUNTIME_RUN_FORK_H
#define RUNTIME_RUN_FORK_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/run/fork_choice.h"
#include "storage/run_id.h"
#include "storage/store.h"

struct home;

enum { FORK_TAG = 4 /* of the segments that fork_committed takes */ };

typedef struct fork_wish {
    run_id run;      /* of this home */
    uint64_t from;   /* path of the step, sleep, wait or branch that is done again; 0: all of them */
    bool has_body;   /* the fork's request has another body; of a function: JSON, and its input. Empty: nil */
    entry_text body; /* with has_body; borrowed for the call */
    bool is_dry;     /* nothing begins */
    const char *by;  /* the operator's name: copied */
    /* STORE_KEY_BYTES: the hash of an Idempotency-Key, by which a later wish finds the fork that this one begins:
     * copied. NULL: none. */
    const uint8_t *key_hash;
} fork_wish;

typedef struct fork_result {
    int status;                /* 202: the fork has begun; 200: it was dry; else that of a refusal */
    const run_id *fork;        /* with 202 */
    bool is_replayed;          /* with 202: an earlier wish with this key has begun it */
    bool is_other;             /* with 422: the key came with another wish */
    const fork_choice *choice; /* with 200, as `journal` */
    entry_text journal;        /* of the run that is forked */
    const char *detail;        /* why not */
    const char *retry_after;   /* seconds, when asking again may help; NULL: it does not */
} fork_result;

/* Is told once what has come of the wish, perhaps before fork_begin returns; what the result points to lives for the
 * call. */
typedef void (*fork_done_fn)(void *arg, const fork_result *result);

void fork_begin(struct home *h, const fork_wish *wish, fork_done_fn done, void *arg);

/* A segment with FORK_TAG has come back from the store. */
void fork_committed(store_segment *s);

#endif
