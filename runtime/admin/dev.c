#include "runtime/admin/dev.h"

#include "runtime/clients/site.h"

bool dev_trusts(const http_request *q)
{
    const char *host = http_request_header(q, "host"), *origin = http_request_header(q, "origin");
    if (!q->peer_loopback) return false;
    if (!host) return !origin; /* HTTP/1.0: no browser speaks it */
    return site_is_here(host) && (!origin || site_is_origin(origin, host));
}
