/* upstream: a service that steps call, on sockets of the same thread. It answers late, with failures, or not at all,
 * and closes connections when it pleases; the ledger counts what reaches it. Its connections end with the process. */
#ifndef TESTS_SIMULATION_UPSTREAM_H
#define TESTS_SIMULATION_UPSTREAM_H

#include "tests/simulation/world.h"

/* Where steps find it; connect() leads there (stand.c). */
enum { UPSTREAM_PORT = 9 };
#define UPSTREAM_URL  "http://127.0.0.1:9/"
#define UPSTREAM_NAME "stepwell-upstream-" /* of its Unix socket, and the process id */

void upstream_begin(void);
/* False: nothing happened. */
bool upstream_turn(void);
int64_t upstream_due_ns(void);
void upstream_end(void);

/* A socket that is connected to it; -1: it is not there. */
int upstream_connect(void);

#endif
