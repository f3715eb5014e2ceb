/* remarking: what a run in memory says of itself, on its way into the journal: labels, status, usage. Labels and usage
 * are entries at once; a status waits for the next segment, and a newer one of the same step, branch or handler takes
 * its place. Owns the run's struct, which is there from the first remark on. Never decides whether a remark is a
 * repetition: its caller asks the replay. */
#ifndef RUNTIME_RUN_REMARKING_H
#define RUNTIME_RUN_REMARKING_H

#include "runtime/run/run.h"
#include "storage/remarks.h"

enum { REMARK_LABEL_BYTES_MAX = 64 }; /* of a label's key, and of its text; stepwell.h says so too */

/* What the run has said so far. NULL: nothing. Valid until the next remark. */
const run_remarks *remarking_said(const run *r);

/* Makes room for what is said. False: no memory. */
bool remarking_begin(run *r);

/* Remembers what an entry of the journal, or one that was just appended, says; a status that waits does not. Other
 * kinds than remarks are passed over. False: no memory. */
bool remarking_note(run *r, const entry *e);

/* Has `status`, a whole entry that is copied, appended to the journal in time. In a run that ends it is dropped, as
 * record_append does it. False: no memory. */
bool remarking_put_status(run *r, const entry *status);

/* Appends the statuses that wait. */
void remarking_flush(run *r);

/* Appends to `to` what the run has said, as the entry of its end has it (entry.remarks). False: no memory. */
bool remarking_pack(const run *r, msgpack_sbuffer *to);

void remarking_free(run *r);

#endif
