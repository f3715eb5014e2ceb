/* dispatch: where a request goes: to the run that it is about, to a new one, to a built-in route, a file, or back with
 * the reason why there is nothing for it. Owns nothing. On the loop's thread. */
#ifndef RUNTIME_LOOP_DISPATCH_H
#define RUNTIME_LOOP_DISPATCH_H

#include "http/server/server.h"

/* Callbacks of the HTTP server, see http_server_options; `loop` is the sw_loop. dispatch_request answers the exchange,
 * or hands it on; dispatch_refusal gives the headers of a request that the server refuses itself. */
void dispatch_request(void *loop, http_exchange *x);
http_policy dispatch_refusal(void *loop, http_text method, http_text path);
/* Those of the server of --admin-listen, which has the built-in routes alone, and no pages of other origins. */
void dispatch_admin_request(void *loop, http_exchange *x);
http_policy dispatch_admin_refusal(void *loop, http_text method, http_text path);

#endif
