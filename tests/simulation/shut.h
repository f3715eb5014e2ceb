/* shut: endpoints that the operator has stopped for new requests, by settings: what the disk has of those, what the
 * operator was told, and that no run begins which they forbid. */
#ifndef TESTS_SIMULATION_SHUT_H
#define TESTS_SIMULATION_SHUT_H

#include "storage/store.h"
#include "tests/simulation/world.h"

struct memory_table;

/* ---- The operator ---- */

/* An endpoint is stopped, on disk. */
bool shut_any(void);
/* Chooses an endpoint, and what becomes of it; `opens`: one that is stopped is to be no longer. */
client_target shut_wish(client *c, bool opens);
/* Its request was answered; c->status 0: it was not. */
void shut_told(const client *c);

/* ---- The disk ---- */

/* A commit is on disk. */
void shut_committed(const store_segment *list);
/* The rows of the settings as a process finds them; NULL: there is no table. */
void shut_found(const struct memory_table *settings);

/* ---- Requests ---- */

/* A client, or the operator, sends its request now. */
void shut_note(client *c);
/* The client's connection broke. */
void shut_cut(const client *c);
/* A run begins that the disk does not have. */
void shut_new_run(const run_record *r);
/* A client was refused. */
void shut_refused(const client *c);

#endif
