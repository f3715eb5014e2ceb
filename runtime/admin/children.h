/* children: the runs that a run has called, for an operator, in pages, the newest first. Reads the rows of the table
 * `kin` (storage/kin.h) and then what they lead to, a few runs at a time: a page costs what it shows, however many
 * there are. Changes nothing. Whether the client may ask has been asked before (auth.h). */
#ifndef RUNTIME_ADMIN_CHILDREN_H
#define RUNTIME_ADMIN_CHILDREN_H

#include "http/server/server.h"
#include "runtime/run/home.h"

enum {
    CHILDREN_MAX = 500,           /* on one page, as the refusal of a limit says */
    CHILDREN_GLANCE_BYTES = 16384 /* read from each end of their journals: enough to tell how they stand */
};

/* Answers GET /_sw/runs/:id/children. Takes the exchange. From any loop: it asks none what its runs are doing. */
void children_answer(home *h, http_exchange *x, const run_id *id);

#endif
