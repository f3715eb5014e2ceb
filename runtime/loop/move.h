/* move: connections on their way to a loop: from another loop, whose client asks for a run that lives here, or from a
 * former worker, whose client waits for a run. Owns them from the descriptor's arrival until the server has taken it.
 */
#ifndef RUNTIME_LOOP_MOVE_H
#define RUNTIME_LOOP_MOVE_H

#include "runtime/loop/loop.h"

/* Hands the connection of `x` to another loop, with its request and what is unsent of earlier replies. There it is
 * attached to `to_run`; NULL: served as any new request. Takes the exchange: 503 if its connection cannot be moved. If
 * that loop has ended, the request is left to the next process, or gets 503 if none follows. */
void move_request(home *h, unsigned to_loop, http_exchange *x, const destination *to_run);

/* Leaves a request that nobody has begun to answer to the next process, which reads it again: takes the exchange.
 * False: it is to be answered here, because no supervisor keeps the connection, the body is too long, or an earlier
 * reply is not sent yet. */
bool move_to_next_process(home *h, http_exchange *x);

/* Gives the server the connections that have arrived; on the loop's thread. While the loop drains, those of a former
 * worker are left to the next one. */
void move_arrived(sw_loop *l);

/* Lets no connection arrive any more. False: one has arrived that move_arrived has to take first, or is
 * about to arrive. */
bool move_close(sw_loop *l);

#endif
