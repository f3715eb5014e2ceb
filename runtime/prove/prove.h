/* prove: --prove, by which a program tests its own crash safety. One request is executed once on a journal in memory,
 * then again from every prefix of that journal and after a crash in the middle of every attempt, each time in a process
 * of its own with the calls answered from the first execution. What differs, or may be done twice, is printed as one
 * page. Opens no file but those of --record, --replay and the request's body, and no address but one of its own. */
#ifndef RUNTIME_PROVE_PROVE_H
#define RUNTIME_PROVE_PROVE_H

struct sw_app;

/* Proves the program, after its flags are read and before there is another thread. Returns the exit code: 0: nothing is
 * wrong; 1: something is; 2: the proof could not be made, and standard error says why. */
int prove_main(struct sw_app *app);

#endif
