/* want: ends the process, when there is no memory for what it cannot go on without and no request that it could refuse
 * instead (ARCHITECTURE.md, *Want of memory*). Its runs go on in the next process; none of them is to blame. */
#ifndef RUNTIME_BASE_WANT_H
#define RUNTIME_BASE_WANT_H

enum { WANT_EXIT = 1 };

/* Says in one line what there was no memory for, and ends the process with WANT_EXIT. From any thread. */
__attribute__((noreturn)) void want_end(const char *what);
/* Sets what want_end() calls first, to leave word for the next process. */
void want_on_end(void (*leave)(void));

#endif
