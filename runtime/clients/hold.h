/* hold: how long a client may wait at an output URL before it is sent round. A round costs it one of the redirects that
 * it follows in one call, and each client waits for a head only so long: known kinds of clients are held for as long as
 * they bear, so that they see a run of hours as one call. Where a proxy shows itself its patience counts, which is not
 * known. Owns nothing. */
#ifndef RUNTIME_CLIENTS_HOLD_H
#define RUNTIME_CLIENTS_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "http/server/server.h"

enum {
    HOLD_USUAL_MS = 55000, /* shorter than the patience of clients that wait a minute */
    HOLD_PROXY_MS = 45000  /* shorter than that of proxies: haproxy's in Debian is 50 s, others' 60 s */
};

/* There is a proxy before this server: a header of one, or HTTP/1.0. */
bool hold_shows_proxy(const http_request *q);

/* HOLD_PROXY_MS if the request shows a proxy; else HOLD_USUAL_MS, or more if its User-Agent shows a kind of client that
 * bears more. */
int64_t hold_for(const http_request *q);

/* How long a client of an output URL is held that bears so much (0: nobody knows): as --hold says, and without the flag
 * (0) as long as it bears, unless the base of its URLs is https: this server speaks no TLS, so that one is behind a
 * proxy. */
int64_t hold_at_output_ms(int64_t flag_ms, int64_t bears_ms, const char *base);

#endif
