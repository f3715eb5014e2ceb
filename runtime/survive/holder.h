/* holder: the sockets that a supervisor holds for its workers: second descriptors of client connections, with what the
 * worker said of each. Owns each until a worker releases it, so that a connection outlives any number of workers. Never
 * reads the texts, which are the workers' own, nor the sockets. */
#ifndef RUNTIME_SURVIVE_HOLDER_H
#define RUNTIME_SURVIVE_HOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/survive/control.h"

typedef struct holder holder;

holder *holder_new(size_t sockets_max); /* NULL: out of memory */
void holder_free(holder *h);            /* closes every socket; NULL is fine */

/* Obeys a message of a worker: CONTROL_KEEP, CONTROL_REPLY or CONTROL_RELEASE. Takes m->fd in any case. A socket for
 * which there is no room, or whose texts together are too long to be handed on in one message, is not held: its
 * connection ends with its worker. */
void holder_take_message(holder *h, control_message *m);

/* Closes every socket. */
void holder_release_all(holder *h);

/* Begins to hand every held socket to a worker that has just come. */
void holder_begin_handing(holder *h);
/* Sends as many sockets as `control` takes now, at the end CONTROL_KEPT_ALL. CONTROL_AGAIN: to be called again when
 * `control` is writable; CONTROL_GONE: the worker has ended. */
control_result holder_hand_on(holder *h, int control);

size_t holder_count(const holder *h); /* sockets that are held */

#endif
