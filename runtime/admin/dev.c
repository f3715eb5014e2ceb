#include "runtime/admin/dev.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* The length of the name without its port: "[::1]:80" gives that of "[::1]". */
static size_t host_name_len(const char *host) { return host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":"); }

static bool host_is_name(const char *host, size_t len, const char *name)
{
    return len == strlen(name) && strncasecmp(host, name, len) == 0;
}

/* 127.0.0.0/8, written in full: no resolver is asked what a name means. */
static bool host_is_loopback_address(const char *host, size_t len)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr address;
    if (len >= sizeof text) return false;
    memcpy(text, host, len);
    text[len] = 0;
    return inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* "name.localhost" is this machine too, everywhere (RFC 6761, 6.3). */
static bool host_is_here(const char *host)
{
    static const char suffix[] = ".localhost";
    size_t len = host_name_len(host), suffix_len = sizeof suffix - 1;
    return host_is_name(host, len, "localhost") || host_is_name(host, len, "[::1]") ||
           host_is_loopback_address(host, len) ||
           (len > suffix_len && strncasecmp(host + len - suffix_len, suffix, suffix_len) == 0);
}

static bool origin_is_host(const char *origin, const char *host)
{
    return strncasecmp(origin, "http://", 7) == 0 && strcasecmp(origin + 7, host) == 0;
}

bool dev_trusts(const http_request *q)
{
    const char *host = http_request_header(q, "host"), *origin = http_request_header(q, "origin");
    if (!q->peer_loopback) return false;
    if (!host) return !origin; /* HTTP/1.0: no browser speaks it */
    return host_is_here(host) && (!origin || origin_is_host(origin, host));
}
