/* schedule: what the seed has planned: jobs, clients, processes and how each of them ends, faults and when. */
#ifndef TESTS_SIMULATION_SCHEDULE_H
#define TESTS_SIMULATION_SCHEDULE_H

#include "tests/simulation/world.h"

/* Fills w->plan, w->jobs and w->clients. */
void schedule_make(void);

/* In a new process. */
void schedule_begin(void);
/* Begins and ends what is due. False: nothing was. */
bool schedule_turn(void);
/* On the steady clock; INT64_MAX: nothing comes any more. */
int64_t schedule_due_ns(void);

#endif
