/* durations: how long requests, runs, steps, calls and turns of one home took. Part of the home, written on its thread
 * alone, without a lock; read by any thread until durations_free. Under which labels something counts is shared by all
 * homes (runtime/base/series.h): labels that find no place there count as `other`. */
#ifndef RUNTIME_RUN_DURATIONS_H
#define RUNTIME_RUN_DURATIONS_H

#include <stdbool.h>

#include "runtime/base/clock.h"
#include "runtime/base/histogram.h"
#include "runtime/base/series.h"

struct endpoint;
struct home;
struct http_call;
struct step_spec;

typedef enum duration_kind {
    DURATION_REQUEST,
    DURATION_RUN,
    DURATION_STEP,
    DURATION_CALL,
    DURATION_KINDS
} duration_kind;

/* The code of a series of runs or steps. */
typedef enum duration_outcome {
    OUTCOME_SUCCEEDED,
    OUTCOME_FAILED,    /* for good */
    OUTCOME_CANCELLED, /* of a run */
    OUTCOME_REJECTED,  /* of a run: its client's mistake */
    OUTCOME_RETRIED    /* of an attempt: another one follows */
} duration_outcome;

/* What was counted under lately: finds the histogram of a step without a look at its id. */
typedef struct duration_recent {
    const char *route;
    uint64_t path; /* of the step, or a hash of its `.metric`; 0 for a request or run */
    int code;
    duration_kind kind;
    histogram *to; /* NULL: the cell is free */
} duration_recent;

enum { DURATIONS_RECENT = 256 };

typedef struct durations {
    histogram **cells[DURATION_KINDS]; /* by the series' id, each atomic; NULL: nothing counted yet */
    histogram other[DURATION_KINDS];   /* of SERIES_OTHER */
    histogram turns;
    duration_recent recent[DURATIONS_RECENT]; /* by a hash of the members that are compared */
    uint64_t turn_began_us;                   /* atomic, steady; 0: nobody has asked for it since the last turn ended */
} durations;

/* Makes the tables that all homes share. False: no memory; durations_tables_free frees what was made. */
bool durations_tables_new(series_table *tables[DURATION_KINDS], uint32_t series_max);
void durations_tables_free(series_table *tables[DURATION_KINDS]);

/* Makes a home's histograms of up to `series_max` series of each kind. False: no memory. */
bool durations_init(durations *d, uint32_t series_max);
/* Frees them: nobody may read them any more. */
void durations_free(durations *d, uint32_t series_max);

/* A request to `e`, NULL: to no endpoint, was answered with this status; 0: its connection was cut. */
void durations_add_request(struct home *h, const struct endpoint *e, int status, uint64_t us);
/* A run has ended. */
void durations_add_run(struct home *h, const struct endpoint *e, duration_outcome outcome, uint64_t us);
/* An attempt of the step has ended. */
void durations_add_step(struct home *h, const struct endpoint *e, const struct step_spec *spec,
                        duration_outcome outcome, uint64_t us);
/* A call is about to be closed. */
void durations_add_call(struct home *h, const struct http_call *call);

/* Returns when the turn of the loop began, as far as anybody can tell: when this was first asked for in it. One reading
 * of the clock serves all that begins in the turn. */
static inline uint64_t durations_turn_us(durations *d)
{
    if (d->turn_began_us == 0) __atomic_store_n(&d->turn_began_us, clock_steady_us(), __ATOMIC_RELAXED);
    return d->turn_began_us;
}
/* Returns for how long the loop's turn has gone on, as far as anybody can tell; 0: it waits. From any thread. */
static inline uint64_t durations_turn_takes_us(const durations *d)
{
    uint64_t began_us = __atomic_load_n(&d->turn_began_us, __ATOMIC_RELAXED), now_us = clock_steady_us();
    return began_us > 0 && now_us > began_us ? now_us - began_us : 0;
}
/* Counts the turn, before the loop waits. */
void durations_end_turn(durations *d);

#endif
