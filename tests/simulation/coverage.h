/* coverage: which rows of the transition tables of runs, commits and slots the schedules have taken, in a build with
 * -Dtable_coverage=true. */
#ifndef TESTS_SIMULATION_COVERAGE_H
#define TESTS_SIMULATION_COVERAGE_H

/* In a process, before it ends: what it has taken goes to the world. */
void coverage_leave(void);
/* In the simulator, when the process has ended. */
void coverage_add(void);
/* Rows that nobody has taken; nothing in a build that does not count. */
void coverage_print(void);

#endif
