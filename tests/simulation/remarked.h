/* remarked: what runs say of themselves (labels, status, usage), and that the disk has it: once outside steps, of each
 * attempt in them, and all of it in the entry of the run's end. */
#ifndef TESTS_SIMULATION_REMARKED_H
#define TESTS_SIMULATION_REMARKED_H

#include "runtime/stepwell.h"
#include "storage/entry.h"
#include "tests/simulation/world.h"

/* One operation of several says something, in its branch or handler and in each attempt. */
void remarked_say(sw_ctx *c, run_record *r, int at);
void remarked_say_in_attempt(sw_ctx *c, run_record *r, int at);

/* The entry of a remark is on disk; `at`: whose attempt has made it, NO_OP: none. What is wrong with it; NULL: nothing.
 */
const char *remarked_take(run_record *r, const entry *e, int at);
/* The end of an attempt is on disk, and what that attempt has said it has used is not. */
bool remarked_lacks_usage(const run_record *r, int at, const entry *e);
/* The run's end is on disk. What is wrong with what it says; NULL: nothing. */
const char *remarked_ended(const run_record *r, const entry *e);

#endif
