/* crash: of which run the process dies, and what the next start makes of it. A signal handler writes who was at work to
 * the file `crashes` of the data folder, which is open from the start on; before the next process loads anything, each
 * record becomes the entry *crashed* of its run, and the third in a row stops the run. Only signals that the process
 * brings on itself count, and exit() in a handler: never SIGKILL, a signal from outside, or a power loss. */
#ifndef RUNTIME_CRASH_H
#define RUNTIME_CRASH_H

#include <stdbool.h>
#include <stdint.h>

struct strand;
struct store;

enum { CRASH_BY_EXIT = 0 /* instead of a signal: it called exit() */ };
enum { CRASHES_MAX = 3 }; /* in a row, without any progress of the run between them */

/* What the handler leaves. Its bytes are the file's, in the machine's order. */
typedef struct crash_record {
    char magic[8];
    uint8_t run[16];
    uint64_t path;  /* of the step or branch that was under way */
    uint64_t epoch; /* of the process's store */
    int64_t at_ms;
    uint32_t attempt; /* of the step; 0: outside steps */
    uint32_t number;  /* of the signal, or CRASH_BY_EXIT */
    char step[200];   /* its id, cut; "" outside steps */
} crash_record;
_Static_assert(sizeof(crash_record) == 256, "no padding goes to the file");

extern const char crash_magic[sizeof(((crash_record *)0)->magic)];

/* Opens the file and makes entries of what is in it. What fails is logged, and tried again by the next start. */
void crash_start(struct store *journals, const char *data);

/* On a thread of sw_blocking: it works for this strand, which waits for it; NULL: for nobody any more. */
void crash_work_for(const struct strand *s);

/* For overflow_install. */
void crash_note(int number);

#endif
