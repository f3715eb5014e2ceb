/* client: one who asks, by HTTP/1.1 over a socket of the same thread: sends in pieces, reads slowly, vanishes and comes
 * back, follows what it is told, and asks again where a process has died. What it knows lies in the world and outlives
 * the process; its connection does not. */
#ifndef TESTS_SIMULATION_CLIENT_H
#define TESTS_SIMULATION_CLIENT_H

#include "tests/simulation/world.h"

/* Listening sockets, one for each loop; the descriptors go to the server. */
void client_listen(int *fds, unsigned loops);

/* In a new process: whoever was connected notices that the connection is gone. */
void clients_begin(void);
/* One turn of all. False: nothing happened. */
bool clients_turn(void);
/* When the next of them wants to do something, on the steady clock; INT64_MAX: never. */
int64_t clients_due_ns(void);
/* Nobody waits for an answer, or is about to ask. */
bool clients_done(void);
/* Whoever waits does so for a stopped run, which nobody is about to release. */
bool clients_at_rest(void);
/* Those who have an answer ask once more, whether it is still the same. */
void clients_audit(void);
/* Closes all connections. */
void clients_end(void);

#endif
