/* check_program: --check, by which a program is tested against the runs that another one has made. Each live run of a
 * backup, and the last ones that have ended, is executed again from its journal, in a process of its own with a copy of
 * that journal in memory. What the journal has answers; no step is attempted, nothing is called, and nothing is written
 * to the backup. What differs is printed. */
#ifndef RUNTIME_CHECK_CHECK_PROGRAM_H
#define RUNTIME_CHECK_CHECK_PROGRAM_H

struct sw_app;

/* Checks the program, after its flags are read and before there is another thread. Returns the exit code: 0: no run
 * differs; 1: one does; 2: the backup, or some run of it, could not be checked. */
int check_main(struct sw_app *app);

#endif
