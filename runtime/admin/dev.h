/* dev: whom --dev trusts: requests from this machine that no page of another site has made. A browser on this machine
 * makes requests for any page that it shows, and a page whose name is made to resolve to 127.0.0.1 (DNS rebinding) is
 * even of the same origin: both show in headers that the browser itself sets. Owns nothing. */
#ifndef RUNTIME_ADMIN_DEV_H
#define RUNTIME_ADMIN_DEV_H

#include <stdbool.h>

#include "http/server/server.h"

/* Whether the peer is this machine, Host is a name or address of it (localhost, 127.0.0.1, [::1], with or without
 * port), and Origin, if there is one, is of just this host and port. */
bool dev_trusts(const http_request *q);

#endif
