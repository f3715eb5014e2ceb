/* worker_exec: a forked child of the supervisor becomes its worker: descriptors and environment are put where the
 * worker looks for them, then the program is executed. Owns nothing: all of it is the child's copy. */
#ifndef RUNTIME_SUPERVISE_WORKER_EXEC_H
#define RUNTIME_SUPERVISE_WORKER_EXEC_H

#include <signal.h>

#include "runtime/stepwell.h"
#include "runtime/supervise/sockets.h"
#include "runtime/survive/control.h"

enum { EXIT_NO_PROGRAM = 127 /* of a child whose program could not be executed, as a shell has it */ };

typedef struct worker_order {
    const char *program; /* a path, or a name for PATH */
    char *const *argv;
    const sigset_t *mask;       /* of signals, as the program is to find it */
    const sockets *sockets;     /* those it is to listen on */
    int control;                /* its end of the socket to the supervisor */
    uint32_t number;            /* among this supervisor's workers, from 1 */
    uint64_t watchdog_us;       /* 0: nobody waits for beats */
    const control_ended *ended; /* the worker before; pid 0: there was none */
} worker_order;

/* What to execute when `argv` is to be started again: a path, or a name for PATH. The caller's to free; NULL or "": it
 * cannot be told. */
char *worker_program(char *const *argv);

/* Never returns: what cannot be executed ends the child with EXIT_NO_PROGRAM, and a line in the log. */
SW_NORETURN void worker_exec(const worker_order *order);

#endif
