/* remarks: what a run says of itself: its labels, its last status, the sum of what it used; out of entries, as they are
 * read. Allocates nothing; its texts are borrowed from what was read. */
#ifndef STORAGE_REMARKS_H
#define STORAGE_REMARKS_H

#include "storage/entry.h"

enum { REMARKS_LABELS_MAX = 8 }; /* stepwell.h says so too: sw_label */

typedef struct run_label {
    entry_text key, value;
} run_label;

typedef struct run_remarks {
    run_label labels[REMARKS_LABELS_MAX]; /* in the order in which their keys came first */
    uint32_t label_count;
    bool has_used;
    entry_text status; /* msgpack bytes of the value; "": it has said none */
    int64_t used[ENTRY_USED];
} run_remarks;

/* Takes over what `e` says, which is newer than what was taken before. Entries of kinds that say nothing are passed
 * over. The entry of a run's end says all at once. */
void remarks_take(run_remarks *r, const entry *e);

/* The label with this key; NULL: there is none. */
run_label *remarks_find(run_remarks *r, entry_text key);

#endif
