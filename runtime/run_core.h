/* run_core: what the files of run share; nobody else includes it.
 *
 *   run.c         making and freeing, the handler's end, leaving memory, turns and commits
 *   run_start.c   from its input, and who can be asked for by an id
 *   run_resume.c  from its journal, or why not
 *   run/plain.c   a plain request, which has no journal */
#ifndef RUNTIME_RUN_CORE_H
#define RUNTIME_RUN_CORE_H

#include "runtime/run.h"

extern const char RUN_NOT_DONE[];            /* to a client whose request left no trace */
extern const char RUN_RETRY_AFTER_JOURNAL[]; /* seconds */

/* run.c */
run *run_new(struct home *h, const struct endpoint *e); /* NULL: out of memory */
void run_free(run *r);
void run_set_label(run *r);
void run_main(void *arg); /* the handler's coroutine; `arg` is the run */
/* Something has happened to it: does what runtime/run_machine.h says. May free the run. */
void run_post(run *r, run_event event);

/* run_start.c */
extern const run_refusal run_no_room, run_no_memory, run_no_stack, run_too_large;
void run_make_findable(run *r); /* somebody may ask for it by its id from now on */
void run_watch_deadline(run *r);
void run_unmake(run *r); /* gives up a run that has not begun */

#endif
