#include "runtime/admin/dev.h"

#include "runtime/clients/site.h"

bool dev_trusts(const http_request *q)
{
    const char *host = http_request_header(q, "host"), *origin = http_request_header(q, "origin");
    if (!q->peer_loopback) return false;
    if (site_is_embedded(http_request_header(q, "sec-fetch-site"), http_request_header(q, "sec-fetch-dest")))
        return false;
    if (!host) return !origin; /* HTTP/1.0: no browser speaks it */
    return site_is_here(host) && (!origin || site_is_origin(origin, host));
}
