/* comeback: in which order the runs of a former process come back to memory, when runs have ended that process or may
 * end this one. A run that is known to have ended one comes last, and alone: by then the others have got on, so that
 * another end costs them little. When processes have ended again and again, each time by another run, nobody knows
 * which is next: then runs come in waves, drawn by lot, the first of which are small, so that an end takes few with it.
 *
 *     due --its wave is open--> loaded --no crash since its last progress---------------------------> goes on
 *      \--its wave is not----> BEHIND  \--it has crashed--> BEHIND --its solo--> loaded, alone --> goes on
 *
 * A solo comes when all that was loaded before has made a commit or left memory and a quiet time is over, which doubles
 * with each end; at once when nothing else is in memory; and after four quiet times in any case. It is over with the
 * run's first commit, when the run leaves memory, or after a time. Ends for an unknown reason are
 * runtime/run/suspects.h's.
 *
 * Shared by all loops; what a loop does with a run of its own it does on its thread. */
#ifndef RUNTIME_RUN_COMEBACK_H
#define RUNTIME_RUN_COMEBACK_H

#include <stdbool.h>
#include <stdint.h>

struct home;
struct run;
struct slot;
typedef struct comeback comeback;

typedef struct comeback_options {
    unsigned ends;    /* processes in a row, up to the one before, that a known run has ended */
    int64_t lived_ms; /* with `ends`: how long the last of them served: the run that ended it needs no longer */
    uint64_t epoch;   /* of this process's store: each draws other lots */
    unsigned loops;
} comeback_options;

comeback *comeback_new(const comeback_options *o); /* NULL: out of memory; then runs come as they are due */
void comeback_free(comeback *all);                 /* NULL is allowed */

/* ---- Of a home; without a `comeback` no run waits ---- */

/* Adds a home, which begins to load runs. */
void comeback_join(struct home *h);
/* Has the runs loaded whose wave or solo has come; any time on the home's thread. */
void comeback_look(struct home *h);
/* Tells the other homes whether anything is in memory here, or on its way; at the end of each turn of the loop. */
void comeback_publish(struct home *h);

/* A slot that is due is about to be loaded. True: its wave is not open, and the slot waits until it is. */
bool comeback_awaits_wave(struct home *h, struct slot *s);
/* Whether the run of a slot that is being loaded has to wait for its solo: the process has died of it `crashes` times
 * since its last progress. */
bool comeback_comes_later(const struct home *h, const struct slot *s, unsigned crashes);
/* Has a slot that is being loaded wait for its solo. False: no memory. */
bool comeback_put_behind(struct home *h, struct slot *s);

/* Counts a run that has come from its journal, and is in memory, as unsettled. */
void comeback_begun(struct run *r);
/* Takes back comeback_begun: the run has made a commit, or leaves memory; once for each that has begun. */
void comeback_settled(struct run *r);

#endif
