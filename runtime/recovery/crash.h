/* crash: of which run the process dies, and what the next start makes of it. A signal handler writes who was at work to
 * the file `crashes` of the data folder, which is open from the start on; before the next process loads anything, each
 * record becomes the entry *crashed* of its run, and the third in a row stops the run. Only signals that the process
 * brings on itself count, and exit() in a handler: never SIGKILL, a power loss, or a signal from outside, but for the
 * watchdog's SIGABRT to a process of which a loop hangs. What nobody knows the run of is left to
 * runtime/run/suspects.h. */
#ifndef RUNTIME_RECOVERY_CRASH_H
#define RUNTIME_RECOVERY_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct occupant;
struct strand;
struct store;

/* Instead of a signal: it called exit(); there was no memory, and no run is to blame (runtime/base/want.h). */
enum { CRASH_BY_EXIT = 0, CRASH_BY_WANT = 256 };
enum { CRASHES_MAX = 3 }; /* in a row, without any progress of the run between them */

/* The path of a record without run says why it has none: 0, nobody knows which it was. */
enum {
    CRASH_OF_PLAIN = 1,    /* a plain request was under way */
    CRASH_FROM_OUTSIDE = 2 /* another process sent the signal */
};

/* What the handler leaves. Its bytes are the file's, in the machine's order. */
typedef struct crash_record {
    char magic[8];
    uint8_t run[16]; /* zeros: of none, see `path` */
    uint64_t path;   /* of the step or branch that was under way */
    uint64_t epoch;  /* of the process's store */
    int64_t at_ms;
    uint32_t attempt; /* of the step; 0: outside steps */
    uint32_t number;  /* of the signal, or one of CRASH_BY_ */
    char step[200];   /* its id, cut; "" outside steps */
} crash_record;
_Static_assert(sizeof(crash_record) == 256, "no padding goes to the file");

extern const char crash_magic[sizeof(((crash_record *)0)->magic)];

/* How the process before has ended, by its records. */
typedef struct crash_ends {
    size_t known;    /* in a run that is named, or in none for sure */
    size_t of_runs;  /* those of them in a run */
    size_t unknown;  /* nobody knows in which run */
    uint32_t number; /* of those: the signal, or one of CRASH_BY_ */
} crash_ends;

/* Opens the file and makes entries of what is in it. What fails is logged, and tried again by the next start. */
crash_ends crash_start(struct store *journals, const char *data);

/* Between these an end that is no run's is one all the same: of some run, and nobody knows of which. */
void crash_serve(void);
void crash_serve_end(void);

/* The process goes on without a data folder: the file is closed, nothing is noted any more. */
void crash_end(void);

/* On a thread of sw_blocking: it works for this strand, which waits for it; NULL: for nobody any more. */
void crash_work_for(const struct strand *s);

/* A loop does not answer; `who` keeps it, whose sched counts in *switches. From one thread. Until crash_hang_end a
 * SIGABRT from outside is taken for the watchdog's, if nothing has moved there since. */
void crash_hang(const uint64_t *switches, const struct occupant *who);
void crash_hang_end(void);

/* For overflow_install. */
void crash_leave_record(int number, bool own);

#endif
