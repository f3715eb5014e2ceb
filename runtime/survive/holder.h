/* held: the sockets that a supervisor holds for its workers: second descriptors of client connections, with what the
 * worker said of each. Owns them until the worker releases them, so that a connection outlives any number of workers.
 * The texts are the workers' own: nobody reads them here. */
#ifndef RUNTIME_SURVIVE_HOLDER_H
#define RUNTIME_SURVIVE_HOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/survive/control.h"

typedef struct held held;

held *held_new(size_t sockets_max); /* NULL: out of memory */
void held_free(held *h);            /* closes them all; NULL is fine */

/* A message of a worker: CONTROL_KEEP, CONTROL_REPLY or CONTROL_RELEASE. Takes its descriptor. What there is no room
 * for is not held: that connection ends with its worker. */
void held_take(held *h, control_message *m);

/* Closes them all. */
void held_release_all(held *h);

/* A new worker has come: all that is held is to be handed to it. */
void held_begin(held *h);
/* As many as go into the socket, at the end CONTROL_KEPT_ALL. CONTROL_AGAIN: call again when it is writable. */
control_result held_hand(held *h, int control);

size_t held_count(const held *h);

#endif
