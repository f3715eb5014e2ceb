/* operator: one who looks after stopped runs, as an administrator: reads their pages, releases them, repeats itself,
 * cancels what stops again and again, and stops others; resumes and forks runs; stops endpoints, and starts them again.
 * In the last process nothing stands still for long. */
#ifndef TESTS_SIMULATION_OPERATOR_H
#define TESTS_SIMULATION_OPERATOR_H

#include "tests/simulation/world.h"

#define OPERATOR_TOKEN "simulated"

static inline client *operator_of(void) { return &w->clients[CLIENTS_MAX]; }

/* In a new process. */
void operator_begin(void);
/* Chooses what to do, where it is time and there is something. False: nothing. */
bool operator_turn(void);
int64_t operator_due_ns(void);

/* Its request was answered, or the connection broke. */
void operator_answered(client *c);

#endif
