/* prove: --prove: a program tests its own crash safety. One request is made once on a journal in memory, then again
 * from every prefix of its journal and after a crash in the middle of every attempt, each time in a process of its own
 * and with the calls answered from the first; what differs, or may be done twice, is printed as one page. Reads and
 * writes nothing but the files of --record and --replay and the request's body; listens to nobody but itself. */
#ifndef RUNTIME_PROVE_PROVE_H
#define RUNTIME_PROVE_PROVE_H

struct sw_app;

/* The flags have been read, and no thread was made. Returns the exit code: 0: nothing is wrong; 1: something is; 2: it
 * could not be tried, and standard error says why. */
int prove_main(struct sw_app *app);

#endif
