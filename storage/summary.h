/* summary: what a list says of a run, out of entries as they are read: how it began, whether it is stopped or has
 * ended, what it says of itself, and how many entries of a kind there are. Allocates nothing; its texts are borrowed
 * from what it was read from. */
#ifndef STORAGE_SUMMARY_H
#define STORAGE_SUMMARY_H

#include "storage/remarks.h"

typedef struct run_summary {
    entry started, stopped, ended; /* kind 0: not there; stopped, ended: not since it was last released, or reopened */
    entry_text cancelled_by;       /* who has asked for its end, and not since it was reopened; len 0: it is not said */
    uint64_t released_epoch;       /* of its last release, or when it was last reopened; 0: never */
    uint32_t reopened;             /* how often, when it had ended */
    uint32_t entries, steps, failures, differences, unasked, crashes;
    run_remarks remarks;
    uint64_t failed_path;   /* of the step that failed for good last; 0: none */
    entry_text failed_step; /* that step's id */
    uint64_t cause;         /* path of the step whose failure ended the run; 0: none did */
    const char *error;      /* why it could not be read to its end, static; NULL: it could */
} run_summary;

/* Adds the entries in `data`, which come next in the journal, to the summary. `data` has to outlive it. Stops at an
 * entry that cannot be read, and sets `error`. */
void summary_read(run_summary *s, const char *data, size_t len);
/* True: the entries read so far tell whether the run has ended or is stopped, whatever came before them. */
bool summary_is_decided(const run_summary *s);

#endif
