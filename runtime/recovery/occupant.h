/* occupant: the coroutine that runs on a loop, as another thread sees it: its route, run and step, as texts,
 * and the function that it executes. Owns copies. Reads memory that may be freed meanwhile, and never trusts it. */
#ifndef RUNTIME_RECOVERY_OCCUPANT_H
#define RUNTIME_RECOVERY_OCCUPANT_H

#include <stdbool.h>
#include <stdint.h>

#include "coro/sched.h"

enum { OCCUPANT_TEXT = 256 };

typedef struct occupant {
    uint64_t switches;         /* of the sched: unchanged while this coroutine runs on; even: none runs */
    char label[OCCUPANT_TEXT]; /* the route; "": nothing is known of the coroutine */
    const char *run;           /* the run's id, in `label` behind the route; "" in a plain route */
    char step[OCCUPANT_TEXT];  /* "" outside steps */
    const void *code;          /* the function of the step, branch or handler; NULL: unknown. Not to be called */
} occupant;

/* Copies the texts of the coroutine that runs; they are empty when none does. False: another one runs already. From any
 * thread. */
bool occupant_read(const sched *s, occupant *out);

#endif
