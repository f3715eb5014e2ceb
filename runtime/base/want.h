/* want: the process ends, since there is no memory for what it cannot go on without, and nobody whom it could refuse.
 * Its runs go on in the next process; none of them is to blame. Where something can be refused it is (ARCHITECTURE.md,
 * Want of memory). */
#ifndef RUNTIME_WANT_H
#define RUNTIME_WANT_H

enum { WANT_EXIT = 1 };

/* Says for what, in one line, and ends with WANT_EXIT. From any thread. */
__attribute__((noreturn)) void want_end(const char *what);
/* What it leaves for the next process before. */
void want_on_end(void (*leave)(void));

#endif
