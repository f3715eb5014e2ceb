/* patch: what sw_patch answers: whether a run takes the new way of code that was changed while runs are alive. The
 * first call with an id decides for the whole run; the answer is an entry, a choice. Owns nothing: the run's table of
 * paths has the answers.
 *
 * The rule. A run takes the old way if its journal, as it was loaded, has anything that the code has not come to where
 * it calls sw_patch: then an earlier execution has been behind that place, without asking. What members of a group have
 * come to depends on the order in which they happen to run, so a *parallel part* counts as one place: from a
 * sw_group_new of the handler until that group, and each other that the handler made meanwhile, was waited for. A call
 * anywhere in the part, in whichever branch, is answered as if it stood where the part begins. */
#ifndef RUNTIME_API_PATCH_H
#define RUNTIME_API_PATCH_H

#include "runtime/run/run.h"

/* The handler makes a group, or has waited for one of its groups. */
void patch_part_begins(run *r);
void patch_part_ends(run *r);

#endif
