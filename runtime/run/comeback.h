/* comeback: in which order the runs of a former process come back to memory, when runs have ended that process or may
 * end this one. Who is known to have ended one comes last, and alone: by then the others have got on, so that another
 * end costs them little. And when processes have ended again and again, each time by another run, nobody knows who is
 * next: then runs come in waves, drawn by lot, the first of which are small, so that an end takes few with it.
 *
 *     due --its wave is open--> loaded --no crash since its last progress---------------------------> goes on
 *      \--its wave is not----> BEHIND  \--it has crashed--> BEHIND --its turn--> loaded, alone --> goes on
 *
 * A turn comes when all that was loaded before has made a commit or left memory and a quiet time is over, which doubles
 * with each end; at once when nothing else is in memory; and after four quiet times in any case. It is over with the
 * run's first commit, when it leaves memory, or after a time. Ends for an unknown reason are runtime/run/suspects.h's.
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
    unsigned ends;    /* processes in a row, up to the one before, that a run has ended which is known */
    int64_t lived_ms; /* with that: how long the last of them served: whoever ended it needs no longer */
    uint64_t epoch;   /* of this process's store: each draws other lots */
    unsigned loops;
} comeback_options;

comeback *comeback_new(const comeback_options *o); /* NULL: out of memory; then runs come as they are due */
void comeback_free(comeback *all);                 /* NULL is allowed */

/* ---- Of a home; those without a `comeback` hold nobody back ---- */

/* It begins to load runs. */
void comeback_join(struct home *h);
/* Somebody's wave or turn may have come; any time on the home's thread. */
void comeback_look(struct home *h);
/* The end of a turn: whether anything is in memory here, or on its way. */
void comeback_publish(struct home *h);

/* A slot that is due is about to be loaded. True: its wave is not open, and it waits for that. */
bool comeback_awaits_wave(struct home *h, struct slot *s);
/* The run of a slot that is being loaded has crashed so often since its last progress, and it is not its turn yet. */
bool comeback_comes_later(const struct home *h, const struct slot *s, unsigned crashes);
/* Then it waits for that. False: no memory. */
bool comeback_put_behind(struct home *h, struct slot *s);

/* A run has come from its journal, and is in memory. */
void comeback_begun(struct run *r);
/* It has made a commit, or leaves memory; once for each that has begun. */
void comeback_settled(struct run *r);

#endif
