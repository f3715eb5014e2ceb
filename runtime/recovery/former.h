/* former: how the process that served from this data folder before has ended, as far as the next one can know. It
 * leaves a note, the file `process`, when it begins to serve, and says there when it has ended by itself. What a run
 * may have done to it is an end that nobody asked for: records of signal handlers (runtime/recovery/crash.h), an exit
 * code that its supervisor saw or a fault without a record, a process that the kernel ended for want of memory. SIGKILL
 * and a power loss tell nothing. */
#ifndef RUNTIME_RECOVERY_FORMER_H
#define RUNTIME_RECOVERY_FORMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crash_ends;
struct control_ended;

/* The note. Zeros: there is none. */
typedef struct former {
    uint64_t epoch; /* of its store */
    int64_t pid;
    int64_t began_ms;   /* steady: when it began to serve */
    bool serving;       /* it has not ended by itself, or had not when it wrote this */
    uint64_t cgroup;    /* inode of memory.events, or with version 1 of memory.oom_control; 0: unknown */
    uint64_t oom_kills; /* in there: processes that the kernel has ended for want of memory */
    /* When a process that ended for an unknown reason was found last, by both clocks; 0: never. */
    int64_t unclean_wall_ms, unclean_steady_ms;
    uint32_t ends; /* processes in a row, before this one, that a run has ended which is known */
} former;

enum { FORMER_TEXT = 96 };

/* The note of the process before. */
void former_read(former *out, const char *data);
/* This process begins to serve; `before` is what was read, *unclean: that one ended for an unknown reason. False: the
 * note cannot be written, errno says why. */
bool former_begin(const former *before, bool unclean, uint64_t epoch, const char *data);
/* It ends by itself. */
void former_end(const char *data);

/* True: it ended in a way that some run may have brought about, and nobody knows which; `text` says how, for people.
 * `epoch` is that of this process's store. */
bool former_is_unclean(const former *f, uint64_t epoch, const struct crash_ends *crashes,
                       const struct control_ended *worker, char text[FORMER_TEXT]);
/* Two such ends within ten minutes: this one, and the one before that. */
bool former_again(const former *f);
/* How many processes in a row a run has ended which is known, this one included; 0: not this one. Who had served for
 * ten minutes is the first of them. */
uint32_t former_ends(const former *f, uint64_t epoch, const struct crash_ends *crashes);
/* How long it served, or a little more. */
int64_t former_served_ms(const former *f);

#endif
