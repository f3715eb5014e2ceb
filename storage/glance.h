/* glance: a run seen from both ends of its journal, for a line of a list: as much as its limit allows, so that a long
 * journal costs what a short one does. Owns copies of the few texts that a line shows. */
#ifndef STORAGE_GLANCE_H
#define STORAGE_GLANCE_H

#include "storage/backend.h"

enum { GLANCE_TEXT_MAX = 1024 /* bytes of a target or an error; what is cut ends in "..." */ };

/* `out->run` is set, the rest zero. At most about bytes_max are read from each end, but one segment at least. */
void glance_take(backend *b, store_summary *out, size_t bytes_max);
void glance_free(store_summary *s);

#endif
