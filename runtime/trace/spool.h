/* spool: the spans of a process that are not exported yet: those under way, and those that wait for the exporter. Owns
 * a fixed number of records, which lie in a file of the data folder: the kernel keeps them when the process is killed
 * at any moment, and the next process exports what this one could not, each span once. Without a file they end with the
 * process. Never waits for a disk: what finds no free record is dropped, and counted.
 *
 *     FREE --keep---> OPEN --ready--> READY --take--> SENDING --sent, given up--> FREE
 *                       \--hold--> HELD --ready--^
 *                        \__________\--drop--> FREE
 *
 * From any thread, but for open and close; a span is its beginner's until it is ready or dropped. */
#ifndef RUNTIME_TRACE_SPOOL_H
#define RUNTIME_TRACE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/trace/span.h"

typedef struct spool spool;

/* Opens the spool with room for `ready_max` spans that wait for the exporter, and for as many under way. `path`: its
 * file, which is made anew with what a former process has left in it; NULL: it has none. A file that cannot be made is
 * named in `warning`, and the spool has none. Spans that a former process was in the middle of end with that process;
 * but requests of runs, which may go on, wait for spool_take_former. NULL: out of memory. */
spool *spool_open(const char *path, size_t ready_max, char *warning, size_t warning_size);
/* Leaves in the file what was not exported. Nobody uses the spool any more. */
void spool_close(spool *s);

/* ---- Requests of runs that a former process had under way: what becomes of them, the run tells ---- */

typedef struct spool_former {
    uint8_t run[16];
    bool is_held; /* the run's last entries were made; whether they are on disk, the journal tells */
} spool_former;

/* Takes that of the run, for spool_drop, spool_settle or spool_cut. NULL: there is none, or it has been taken. */
span *spool_take_former(spool *s, const uint8_t run[16]);
/* Fills *out with the index-th request that a former process had under way. False: there are not so many. */
bool spool_former_at(const spool *s, size_t index, spool_former *out);
/* Makes one ready whose run has ended, and is on disk. */
void spool_settle(spool *s, span *p);
/* Makes one ready whose run was never on disk, and ended with the process, whatever the span says of its end. */
void spool_cut(spool *s, span *p);
/* When the former process was last known to live, Unix ms; 0: nobody knows. */
int64_t spool_former_alive_ms(const spool *s);

/* Takes a free record for a span that begins; all of it is zero. NULL: too many are under way. It is not counted: who
 * begins a span asks again when it is over. */
span *spool_begin(spool *s);
/* Takes a free record for a span that is over, and is to be made ready now. NULL: there is none; it is counted. */
span *spool_begin_ended(spool *s);
/* Counts a span that found no room elsewhere. */
void spool_count_dropped(spool *s);
/* What the span says at its beginning is whole: from now on the next process ends it, if this one does not. */
void spool_keep(spool *s, span *p);
/* The span is over; whether that counts, a commit is to tell: ready or drop follows. */
void spool_hold(span *p);
/* Gives the span, whose times are set, to the exporter. True: enough wait for a batch (spool_batch_at). */
bool spool_ready(spool *s, span *p);
void spool_drop(spool *s, span *p);

/* ---- For the exporter ---- */

void spool_batch_at(spool *s, size_t spans); /* before others use it */
/* Takes up to `max` spans that wait, the oldest first. */
size_t spool_take(spool *s, span **out, size_t max);
void spool_free(spool *s, span *const *spans, size_t count); /* they are exported, or given up */
/* Writes that the process lives; and once a second touches the records that others will take next: it is this thread
 * that waits then, when the kernel has to make a page of the file writable. No others: the kernel writes each page that
 * was touched back to the disk, again and again. */
void spool_tend(spool *s);

typedef struct spool_figures {
    uint64_t waiting, dropped; /* now; since the start */
} spool_figures;
spool_figures spool_figures_of(spool *s);

#endif
