/* run_core: what the files of run share; nobody else includes it.
 *
 *   run.c         making and freeing, what happens to it, turns and commits
 *   run_start.c   from its input, and who can be asked for by an id
 *   run_resume.c  from its journal, or why not
 *   run_end.c     the handler and its end
 *   run_leave.c   unwinding, cancelling, leaving memory */
#ifndef RUNTIME_RUN_RUN_CORE_H
#define RUNTIME_RUN_RUN_CORE_H

#include "runtime/run/run.h"
#include "runtime/run/run_listener.h"

extern const char RUN_RETRY_AFTER_JOURNAL[]; /* seconds */

/* run.c */
run *run_new(struct home *h, const struct endpoint *e); /* NULL: out of memory */
void run_free(run *r);
/* Something has happened to it: does what runtime/run/run_machine.h says. May free the run. */
void run_post(run *r, run_event event);

/* run_end.c */
void run_main(void *arg);                        /* the handler's coroutine; `arg` is the run */
void run_record_end(run *r);                     /* its last entries */
void run_count_end(run *r);                      /* they are on disk */
entry_text run_causes(run *r, const failure *f); /* as they are in the journal; none when memory is out, or f NULL */
void run_end_cancelled(run *r);                  /* last entries with 410, or 504 when its deadline is the reason */

/* run_leave.c: the actions of the table. Those of the second half free the run. */
void run_unwind(run *r);
void run_cut_waits(run *r);
void run_record_cancel(run *r);
void run_save_cancel(run *r);
void run_record_stop(run *r);
void run_record_failed_stop(run *r);

void run_answer(run *r);
void run_park(run *r);
void run_stand(run *r);
void run_reload(run *r);
void run_leave(run *r);
void run_refuse(run *r);
void run_cut(run *r);

/* run_start.c */
extern const run_refusal run_no_room, run_no_memory, run_no_stack, run_too_large;
void run_watch_deadline(run *r);
void run_take_slot(run *r, struct slot *s); /* a new one */
void run_unmake(run *r);                    /* gives up a run that has not begun, or does not go on */

#endif
