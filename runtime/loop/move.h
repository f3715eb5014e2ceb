/* move: connections on their way to a loop: from another loop, whose client asks for a run that lives here, or from a
 * former worker, whose client waits for one. Owns them from the descriptor's arrival until the server has taken it. */
#ifndef RUNTIME_LOOP_MOVE_H
#define RUNTIME_LOOP_MOVE_H

#include "runtime/loop/loop.h"

/* Hands the connection of `x` to that loop, with its request and what is unsent of earlier replies. There it is
 * attached to `to_run`; NULL: served as any new request. Takes the exchange: 503 if its connection cannot be moved. */
void move_request(home *h, unsigned to_loop, http_exchange *x, const destination *to_run);

/* Takes in what has arrived. While the loop drains, connections of a former worker are left to the next one. */
void move_arrived(sw_loop *l);

/* Nothing may arrive any more. False: something has, and may. */
bool move_close(sw_loop *l);

#endif
