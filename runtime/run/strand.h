/* strand: one coroutine of a task and how it waits, is interrupted and unwinds. Owns nothing but the coroutine it is.
 */
#ifndef RUNTIME_RUN_STRAND_H
#define RUNTIME_RUN_STRAND_H

#include "runtime/run/task.h"

/* Starts fn(arg) on a coroutine of the task's own. False when there is no room for a stack. */
bool strand_start(task *t, coro_fn fn, void *arg);

/* First and last act of a strand's function; `s` lives on its stack. */
void strand_enter(strand *s, task *t);
void strand_exit(strand *s);

/* Waits to be woken; wakes may be spurious. False when it was interrupted instead. */
bool strand_suspend(strand *s);
void strand_wake(strand *s);
void strand_interrupt(strand *s, strand_interrupt_kind kind);

/* Waits until that is over. A durable wait (the journal has it) lets the run park meanwhile. False: interrupted. */
typedef enum strand_sleep { STRAND_SLEEP_PLAIN, STRAND_SLEEP_DURABLE } strand_sleep;
bool strand_sleep_until(strand *s, const clock_wait *until, strand_sleep kind);

/* What it waits for, for parking. */
void strand_set_wait(strand *s, strand_wait wait);

#endif
