/* holder: the sockets that a supervisor holds for its workers: second descriptors of client connections, with what the
 * worker said of each. Owns them until the worker releases them, so that a connection outlives any number of workers.
 * The texts are the workers' own: nobody reads them here. */
#ifndef RUNTIME_SURVIVE_HOLDER_H
#define RUNTIME_SURVIVE_HOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/survive/control.h"

typedef struct holder holder;

holder *holder_new(size_t sockets_max); /* NULL: out of memory */
void holder_free(holder *h);            /* closes them all; NULL is fine */

/* A message of a worker: CONTROL_KEEP, CONTROL_REPLY or CONTROL_RELEASE. Takes its descriptor. What there is no room
 * for is not holder: that connection ends with its worker. */
void holder_take_message(holder *h, control_message *m);

/* Closes them all. */
void holder_release_all(holder *h);

/* A new worker has come: all that is holder is to be handed to it. */
void holder_begin_handing(holder *h);
/* As many as go into the socket, at the end CONTROL_KEPT_ALL. CONTROL_AGAIN: call again when it is writable. */
control_result holder_hand_on(holder *h, int control);

size_t holder_count(const holder *h);

#endif
