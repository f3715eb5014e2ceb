/* lookout: looks each second for what other nodes have left in the store for the runs of one home (runtime/run/
 * notice.h): letters, and runs that have begun. Gives it to the runs as if it had come from another loop, and deletes
 * the notices. Owns the notices that it has read; a node that is alone has none. On the home's thread.
 *
 *     waits --a second--> reads notices --has some--> gives each to its run --> deletes those that were taken
 *       ^                      |  ^----------------------- on disk or not -----------------------/
 *       \-----there are no more of them
 *
 * What could not be taken for want of memory is found again a second later; so is what was taken, if the process dies
 * before its notice is deleted: then the run has had it, or the start finds it, and it is taken once. */
#ifndef RUNTIME_RUN_LOOKOUT_H
#define RUNTIME_RUN_LOOKOUT_H

#include "runtime/run/home.h"

typedef struct lookout lookout;

enum { LOOKOUT_TAG = 11 /* of the segments that lookout_committed takes */ };

/* Makes h->lookout, if there are other nodes. False: no memory. */
bool lookout_open(home *h);
/* Begins to look, once the home knows its own runs. */
void lookout_begin(home *h);
/* Looks no more: the loop drains. */
void lookout_drain(home *h);
void lookout_free(home *h);
/* A segment with LOOKOUT_TAG has come back from the store. */
void lookout_committed(store_segment *s);

/* Letters of the run are on disk no longer: what is being read of them may be old. */
void lookout_note_gone_of(lookout *l, const run_id *id);
static inline void lookout_note_gone(const home *h, const run_id *id)
{
    if (h->lookout) lookout_note_gone_of(h->lookout, id);
}

#endif
