/* lost_child: a run that cannot be read, and is to be deleted: a run that has called it, and waits for it, gets the
 * letter that it would have written at its end, which says so. Owns what it has read meanwhile.
 *
 *     asked for --its row in `kin`--> its caller is known --the caller's journal--> the number of the call --a letter
 *            \--nobody has called it       \--the caller has ended         \--nobody waits      on disk--> told
 *
 * The letter is on disk before the run is deleted. A process that dies between the two writes it again: it has the same
 * key, and is not written if the caller's journal has the result. */
#ifndef RUNTIME_RUN_LOST_CHILD_H
#define RUNTIME_RUN_LOST_CHILD_H

#include "runtime/run/slot.h"

/* Has the caller of the slot's run told. Then slot.caller_told is set, and the slot wakes; if a read or the write fails
 * it is not, and may be asked for again. Without memory it does nothing. */
void lost_child_tell(struct home *h, const slot *s);

#endif
