/* hold: how long a client may wait at an output URL before it is sent round. A round costs the client one of the
 * redirects that it follows in one call, and each client waits for a head only so long: known kinds of clients are held
 * for as long as they bear, so that they see a run of hours as one call. Behind a proxy the proxy's patience counts,
 * which is not known. Owns nothing. */
#ifndef RUNTIME_CLIENTS_HOLD_H
#define RUNTIME_CLIENTS_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "http/server/server.h"

enum {
    HOLD_USUAL_MS = 55000, /* shorter than the patience of clients that wait a minute */
    HOLD_PROXY_MS = 45000  /* shorter than that of proxies: haproxy's in Debian is 50 s, others' 60 s */
};
_Static_assert((int)HOLD_PROXY_MS < (int)HOLD_USUAL_MS, "a client that is not known bears at least a proxy's time");

/* Whether the request shows a proxy before this server: by a header, or by HTTP/1.0. */
bool hold_shows_proxy(const http_request *q);

/* Returns how long the request's client bears: HOLD_PROXY_MS if the request shows a proxy; else HOLD_USUAL_MS, or
 * another time if its User-Agent shows a kind of client that is known. */
int64_t hold_for(const http_request *q);

/* Returns how long a client of an output URL is held: as --hold says (flag_ms); without the flag (0) as long as the
 * client bears (0: not known), but only HOLD_PROXY_MS if the base of its URLs is https: since this server speaks no
 * TLS, such a client is behind a proxy. */
int64_t hold_at_output_ms(int64_t flag_ms, int64_t bears_ms, const char *base);

#endif
