/* epoch: one process of the simulation, from opening the disk until it has drained or dies. */
#ifndef TESTS_SIMULATION_EPOCH_H
#define TESTS_SIMULATION_EPOCH_H

/* Does not come back: the process ends, see WORLD_CRASHED and WORLD_BROKEN; 0: it has drained. */
__attribute__((noreturn)) void epoch_run(void);
/* The same in this process, which goes on: so that what libraries make once is there before others are forked. */
void epoch_rehearse(void);

#endif
