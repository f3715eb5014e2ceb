/* former: how the process that served from this data folder before has ended, as far as the next one can know. Each
 * process writes the file `process` when it begins to serve, and says there when it has ended by itself. An end that a
 * run may have brought about is one that nobody asked for: records of signal handlers (runtime/recovery/crash.h), an
 * exit code that its supervisor saw or a fault without a record, a process that the kernel ended for want of memory.
 * SIGKILL and a power loss tell nothing. */
#ifndef RUNTIME_RECOVERY_FORMER_H
#define RUNTIME_RECOVERY_FORMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crash_ends;
struct control_ended;

/* What the file says. Zeros: there is none. */
typedef struct former {
    uint64_t epoch; /* of its store */
    int64_t pid;
    int64_t began_ms;   /* steady: when it began to serve */
    bool serving;       /* it had not ended by itself when it wrote this */
    uint64_t cgroup;    /* inode of memory.events, or with version 1 of memory.oom_control; 0: unknown */
    uint64_t oom_kills; /* in that file: processes that the kernel has ended for want of memory */
    /* When a process that ended for an unknown reason was found last, by both clocks; 0: never. */
    int64_t unclean_wall_ms, unclean_steady_ms;
    uint32_t ends; /* processes in a row, before this one, that a known run has ended */
} former;

enum { FORMER_TEXT = 96 };

/* Reads the file of the process before. */
void former_read(former *out, const char *data);
/* Writes the file of this process, which begins to serve. `before`: what was read; `unclean`: that process ended for an
 * unknown reason. False: errno says why not. */
bool former_begin(const former *before, bool unclean, uint64_t epoch, const char *data);
/* Writes that this process ends by itself. */
void former_end(const char *data);

/* Whether the process before ended in a way that some run may have brought about, and nobody knows which; `text` says
 * how, for people. `epoch`: of this process's store. */
bool former_is_unclean(const former *f, uint64_t epoch, const struct crash_ends *crashes,
                       const struct control_ended *worker, char text[FORMER_TEXT]);
/* Whether there were two such ends within ten minutes: that of the process before, and one before it. */
bool former_again(const former *f);
/* How many processes in a row known runs have ended, up to the process before; 0: none has ended that one. A process
 * that had served for ten minutes is the first of its row. */
uint32_t former_ends(const former *f, uint64_t epoch, const struct crash_ends *crashes);
/* How long the process before served, or a little more. */
int64_t former_served_ms(const former *f);

#endif
