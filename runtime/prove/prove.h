/* prove: --prove, by which a program tests its own crash safety. One request is executed once, with all runs that it
 * comes to call, on a disk in memory; then again from each state that this disk has gone through, and after a crash in
 * the middle of every attempt, each time in a process of its own with the services' answers of the first execution.
 * What differs, or may be done twice, is printed as one page. Opens no file but those of --record, --replay and the
 * request's body, and no address but one of its own.
 *
 * Runs that are called are no services: they run for real in each execution, under the ids that they had in the first,
 * since their handlers, too, are the program's, and die with the same machine. So a proof of a caller is one of all
 * that it calls, and of what is between them: calls, results, cancels and signals that were on disk and not yet taken.
 */
#ifndef RUNTIME_PROVE_PROVE_H
#define RUNTIME_PROVE_PROVE_H

struct sw_app;

/* Proves the program, after its flags are read and before there is another thread. Returns the exit code: 0: nothing is
 * wrong; 1: something is; 2: the proof could not be made, and standard error says why. */
int prove_main(struct sw_app *app);

#endif
