/* occupant: who keeps a loop to itself, as another thread sees it: the coroutine that runs there, by its texts. Reads
 * memory that may go at any moment, and notices. */
#ifndef RUNTIME_RECOVERY_OCCUPANT_H
#define RUNTIME_RECOVERY_OCCUPANT_H

#include <stdbool.h>
#include <stdint.h>

#include "coro/sched.h"

enum { OCCUPANT_TEXT = 256 };

typedef struct occupant {
    uint64_t switches;         /* of the sched, which stands for this stay of the coroutine; even: none runs */
    char label[OCCUPANT_TEXT]; /* its route; "" when nothing is known of it */
    const char *run;           /* the run's id, in `label` behind the route; "" in a plain route */
    char step[OCCUPANT_TEXT];  /* "" outside steps */
} occupant;

/* False: it is another one already. When no coroutine runs the texts are empty. */
bool occupant_read(const sched *s, occupant *out);

#endif
