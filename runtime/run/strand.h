/* strand: one coroutine of a task: how it begins, waits, is woken, interrupted and ends. Owns its coroutine and the
 * places in the home's timer heap that its sleeps need, so that no sleep fails for want of memory. All functions are
 * for the home's thread. */
#ifndef RUNTIME_RUN_STRAND_H
#define RUNTIME_RUN_STRAND_H

#include "runtime/run/task.h"

/* Starts fn(arg) on a new coroutine of the task: it runs when the scheduler comes to it. False: no room for a stack. */
bool strand_start(task *t, coro_fn fn, void *arg);

/* Makes `s`, which lives in fn's first frame, the strand of the running coroutine: the first act of fn. */
void strand_enter(strand *s, task *t);
/* The strand, which has just entered, works for a member of a group of the parent's: what the parent has lost, it has.
 */
void strand_join(strand *s, strand *parent);
/* Takes the strand from its task: the last act of fn that touches `s`. */
void strand_exit(strand *s);

/* Suspends the running strand until it is woken; wakes may be spurious. False: it was interrupted instead. */
bool strand_suspend(strand *s);
/* Makes a suspended strand ready; does nothing to one that is not suspended. */
void strand_wake(strand *s);
/* Interrupts the strand's present or next wait. An unwind is not taken back by another kind. */
void strand_interrupt(strand *s, strand_interrupt_kind kind);

/* Whether a step or wait of the strand may begin: its run may go on (run_may_go_on), and it has not lost. */
bool strand_may_begin(const strand *s);

/* Gives up what the strand and those within it do (is_abandoned). Attempts under way and waits are interrupted; code
 * between them goes on to the first thing that the journal does not have, and unwinds there. */
void strand_abandon(strand *s);

/* Suspends the running strand as long as code between steps and waits is at work for it, or about to be, in members of
 * its groups: that may come to something that the journal has already. False: it was interrupted instead. */
bool strand_catch_up(strand *s);

/* Whether the running strand works for `r` and has lost; then it unwinds at its next wait. */
bool strand_has_lost(const struct run *r);

typedef enum strand_sleep {
    STRAND_SLEEP_PLAIN,  /* the journal does not have it: the run stays in memory */
    STRAND_SLEEP_DURABLE /* the journal has it: the run may park meanwhile */
} strand_sleep;

/* Suspends the running strand until *until is over. False: it was interrupted instead. */
bool strand_sleep_until(strand *s, const clock_wait *until, strand_sleep kind);

/* Suspends the running strand, whose wait for a signal is in the journal, until it is woken or *until is over (due_ms
 * 0: the wait has no timeout); the run may park meanwhile. False: it was interrupted instead. */
bool strand_await_signal(strand *s, const clock_wait *until);

/* Suspends the running strand until it is woken: letters that may have its signal are being read or written. The run
 * stays in memory, and the wait lasts longer than *until if it has to. False: it was interrupted instead. */
bool strand_await_letters(strand *s, const clock_wait *until);

/* Suspends the running strand, which waits for its group, until it is woken or the first of the waits is over; the run
 * may park meanwhile. is_coming: letters that may have a signal are being read or written, and the run stays in memory.
 * False: it was interrupted instead. */
bool strand_await_group(strand *s, const open_wait *standing, bool is_coming);

/* Returns what the strand waits for that is in the journal, the first of a list: its own wait, for which the caller has
 * room in *own, or those of its group. NULL: nothing. */
const open_wait *strand_waits(const strand *s, open_wait *own);

/* Suspends the running strand, whose call is in the journal, until it is woken; the run may park meanwhile. False: it
 * was interrupted instead. */
bool strand_await_return(strand *s);

/* Sets what the strand waits for, which decides whether its run can park. */
void strand_set_wait(strand *s, strand_wait wait);

#endif
