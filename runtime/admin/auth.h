/* auth: who is an administrator: a client with --admin-token as bearer token, or, with --dev, one of this machine
 * (dev.h). Owns nothing. */
#ifndef RUNTIME_ADMIN_AUTH_H
#define RUNTIME_ADMIN_AUTH_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* Whether the client is an administrator. False: it is refused, and the exchange has its answer. */
bool auth_admits(home *h, http_exchange *x);

#endif
