/* run_core: what run.c, run_start.c, run_resume.c, run_end.c, run_leave.c and plain.c share; no other file includes it.
 * Their subjects are listed in runtime/run/run.h. */
#ifndef RUNTIME_RUN_RUN_CORE_H
#define RUNTIME_RUN_RUN_CORE_H

#include "runtime/run/run.h"
#include "runtime/run/run_listener.h"

extern const char RUN_RETRY_AFTER_JOURNAL[]; /* Retry-After, seconds, while the journal takes no writes */

/* run.c */
/* Makes an empty run in the state RUN_NEW, without an id. NULL: out of memory. */
run *run_new(struct home *h, const struct endpoint *e);
/* Frees a run that has left memory or never began. No client is attached, no segment is with the store. */
void run_free(run *r);
/* Tells the run that `event` has happened: changes its state and acts as runtime/run/run_machine.h says. May free the
 * run. */
void run_post(run *r, run_event event);

/* run_end.c */
/* Runs the handler; the function of its coroutine. `arg` is the run. */
void run_main(void *arg);
/* Appends the last entries, `response` and `ended`, from the run's response and outcome. */
void run_record_end(run *r);
/* Makes the response of a cancelled run (410; 504 for its deadline; 500 when it stood still for too long), appends the
 * last entries. */
void run_end_cancelled(run *r);
/* Counts the run's outcome and how long it took, once its last entries are on disk. */
void run_count_end(run *r);
/* The failure's causes as the journal has them (entry.causes), in the run's arena. "": none, `f` is NULL, or memory is
 * out, for which the run is lost. */
entry_text run_causes(run *r, const failure *f);

/* run_leave.c: actions of the table (run_action says what each does). */
void run_unwind(run *r);
void run_cut_waits(run *r);
void run_record_cancel(run *r);
void run_save_cancel(run *r);
void run_record_stop(run *r);
/* The entry `stopped` that a letter of an operator leads to; borrows from the letter. */
entry run_asked_stop_entry(const run *r, const struct letter *m);
void run_record_failed_stop(run *r);

/* These free the run. */
void run_answer(run *r);
void run_park(run *r);
void run_stand(run *r);
void run_reload(run *r);
void run_leave(run *r);
void run_refuse(run *r);
void run_cut(run *r);

/* run_start.c */
extern const run_refusal run_no_room, run_no_memory, run_no_stack, run_too_large;
/* Starts the timer of the run's deadline, if it has one. */
void run_watch_deadline(run *r);
/* Joins a slotless run and `s`, a new slot of its id. */
void run_take_slot(run *r, struct slot *s);
/* Frees a run that has not begun, or does not go on; forgets its entries and its key. */
void run_unmake(run *r);

#endif
