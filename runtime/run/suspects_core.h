/* suspects_core: what the halves of suspects share: suspects_start.c (the start) and suspects.c (while it serves). */
#ifndef RUNTIME_RUN_SUSPECTS_CORE_H
#define RUNTIME_RUN_SUSPECTS_CORE_H

#include <uv.h>

#include "runtime/base/timers.h"
#include "runtime/run/suspects.h"
#include "storage/run_id.h"

enum {
    SUSPECTS_LOOPS_MAX = 256,
    SOLO_LEAST_MS = 1000, /* bounds of solo_ms */
    SOLO_MOST_MS = 60000,
    SUSPECTS_GATHER_MS =
        500,           /* before the first solo: most suspects are known by then, and the likeliest comes first */
    SUSPECT_TRIES = 2, /* from so many tries on a run is a suspect */
    TRIES_BYTES = 20   /* of a row's value: tries u32, epoch u64, order u64, big endian */
};
_Static_assert(TRIES_BYTES == sizeof(uint32_t) + 2 * sizeof(uint64_t), "they follow each other");

/* A row as it was at the start. */
typedef struct suspect {
    run_id run;
    uint32_t tries; /* loads after ends for unknown reasons, without progress of the run between them */
    uint64_t epoch; /* of the process that loaded the run last */
    uint64_t order; /* of its last load among those of all suspects: the later, the likelier the culprit */
    bool gone;      /* its home's: the row has been deleted, or is about to be */
    bool waits;     /* under lock: for its solo */
    size_t rank;    /* its index in `ranks` */
} suspect;

struct suspects {
    suspect *all; /* by run id */
    size_t count;
    suspect **ranks; /* most likely first */
    bool unclean;
    int64_t began_ms;
    int64_t solo_ms; /* how long a run's first solo is at the most; each further one is twice as long */
    uint64_t epoch;  /* of this process's store */
    unsigned loops;
    uint64_t last_order; /* atomic */
    uv_mutex_t lock;
    struct home *homes[SUSPECTS_LOOPS_MAX]; /* under lock: homes that have joined */
    bool is_gathering;                      /* under lock: a home waits for SUSPECTS_GATHER_MS, or has */
    bool has_gathered;                      /* under lock: that time is over, suspects have their solos */
    size_t first;                           /* under lock: no suspect waits in `ranks` before it */
    suspect *solo;                          /* under lock: whose solo it is; NULL: nobody's */
    bool taken;                             /* under lock: its home knows */
    bool was_closed;                        /* the gate of that home, at the end of that time */
    struct timer time;                      /* of `solo`, on its home; before the first solo on any home */
};

void suspects_encode(uint8_t to[TRIES_BYTES], uint32_t tries, uint64_t epoch, uint64_t order);

#endif
