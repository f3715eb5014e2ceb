/* sw_group: steps and branches of one context that run in parallel. Lives in the run's arena; each started member is a
 * strand of its own. A context does not end before its groups have (groups_settle). */
#ifndef RUNTIME_GROUP_H
#define RUNTIME_GROUP_H

#include "runtime/stepwell.h"

/* Waits for every member of the groups that `c` made and did not wait for. Raises only an unwind. */
void groups_settle(sw_ctx *c);

#endif
