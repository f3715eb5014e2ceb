/* crash: of which run the process dies, and what the next start makes of it. A signal handler writes who was at work to
 * the file `crashes` of the data folder, which is open from the start on; before the next process loads anything, each
 * record becomes the entry *crashed* of its run, and the third in a row stops the run. Only signals that the process
 * brings on itself count, and exit() in a handler: never SIGKILL, a power loss, or a signal from outside, but for the
 * watchdog's SIGABRT to a process of which a loop hangs. An end of which nobody knows the run is left to
 * runtime/run/suspects.h. Owns the file's descriptor. */
#ifndef RUNTIME_RECOVERY_CRASH_H
#define RUNTIME_RECOVERY_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/run_id.h"

struct occupant;
struct strand;
struct store;

/* Instead of a signal's number: the process called exit(); there was no memory, and no run is to blame
 * (runtime/base/want.h). */
enum { CRASH_BY_EXIT = 0, CRASH_BY_WANT = 256 };
enum { CRASHES_MAX = 3 }; /* in a row, without any progress of the run between them */

/* The path of a record without run says why it has none; 0: nobody knows which run it was. */
enum {
    CRASH_OF_PLAIN = 1,    /* a plain request was under way */
    CRASH_FROM_OUTSIDE = 2 /* another process sent the signal */
};

/* What the signal handler leaves. Its bytes are the file's, in the machine's order. */
typedef struct crash_record {
    char magic[8];
    uint8_t run[16]; /* its id; zeros: of none, see `path` */
    uint64_t path;   /* of the step or branch that was under way */
    uint64_t epoch;  /* of the process's store */
    int64_t at_ms;
    uint32_t attempt; /* of the step; 0: outside steps */
    uint32_t number;  /* of the signal, or one of CRASH_BY_ */
    char step[200];   /* its id, cut; "" outside steps */
} crash_record;
_Static_assert(sizeof(crash_record) == 256, "no padding goes to the file");
_Static_assert(sizeof((crash_record){0}.run) == RUN_ID_BYTES, "ids are copied as a whole");

extern const char crash_magic[sizeof(((crash_record *)0)->magic)];

/* How the process before has ended, by its records. */
typedef struct crash_ends {
    size_t known;    /* records of a named run, or of none for sure */
    size_t of_runs;  /* those of `known` with a run */
    size_t unknown;  /* records of which nobody knows the run */
    uint32_t number; /* of the last one in `unknown`: the signal, or one of CRASH_BY_ */
} crash_ends;

/* Opens the file, makes entries of its records, and empties it. What fails is logged, and tried again by the next
 * start. */
crash_ends crash_start(struct store *journals, const char *data);

/* The process serves between these two: an end that is no known run's counts as that of some run, nobody knows which.
 */
void crash_serve(void);
void crash_serve_end(void);

/* Closes the file: the process goes on without a data folder, and no record is left any more. */
void crash_end(void);

/* Says, on a thread of sw_blocking, for which strand it works, which waits for it; NULL: for none any more. */
void crash_work_for(const struct strand *s);

/* Says that a loop does not answer: the coroutine `who` keeps it busy, and its sched counts in *switches. From one
 * thread. Until crash_hang_end a SIGABRT from outside is taken for the watchdog's, unless *switches has changed. */
void crash_hang(const uint64_t *switches, const struct occupant *who);
void crash_hang_end(void);

/* Writes the record of an end by this signal; for overflow_install, and safe in a signal handler. `own`: the process
 * brought the signal on itself. */
void crash_leave_record(int number, bool own);

#endif
