/* What the two halves of the client share: its connection and requests (client.c), and what it makes of what it is told
 * (client_answer.c). */
#ifndef TESTS_SIMULATION_CLIENT_CORE_H
#define TESTS_SIMULATION_CLIENT_CORE_H

#include "tests/simulation/client.h"

static inline int client_number(const client *c) { return (int)(c - w->clients); }

/* SW_RELAXED: its answer left before it was on disk, and a crash or a failed write has forgotten the run. */
static inline bool client_may_be_forgotten(const client *c)
{
    return w->jobs[c->job].endpoint == ENDPOINT_HASTY && w->crashes + w->failed_writes > 0;
}

/* client.c: the connection ends, from its side; it comes again in so many ms with `target`, on the same connection if
 * it can. */
void client_close(client *c);
void client_ask_again(client *c, client_target target, int64_t in_ms);

/* client_answer.c: bytes have come. */
void client_read(client *c);
/* The connection has ended before the response. */
void client_cut(client *c);

#endif
