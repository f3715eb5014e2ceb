/* glance: reads a run's journal from both ends, as far as a limit allows, for a line of a list: a long journal costs
 * what a short one does. Owns copies of the few texts that a line shows. Never writes. */
#ifndef STORAGE_GLANCE_H
#define STORAGE_GLANCE_H

#include "storage/backend.h"

enum {
    GLANCE_TEXT_MAX = 1024,   /* bytes of a target or an error; what is cut ends in "..." */
    GLANCE_STATUS_MAX = 65536 /* bytes of a status that is shown; --status-max allows no longer one */
};

/* Fills *out, of which `run` is set and the rest is zero. Reads about bytes_max from each end at most, but one segment
 * at least. What goes wrong is in out->error and out->of.error. From any thread that may wait for the disk. */
void glance_take(backend *b, store_summary *out, size_t bytes_max);
/* Frees the texts. */
void glance_free(store_summary *s);

#endif
