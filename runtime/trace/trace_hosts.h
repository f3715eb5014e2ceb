/* trace_hosts: the hosts that calls tell of the trace (--trace-hosts): names with commas, each of them exact, "*.name"
 * (every host below it), or "*" (all). Owns nothing. */
#ifndef RUNTIME_TRACE_TRACE_HOSTS_H
#define RUNTIME_TRACE_TRACE_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the list (NULL: none) has the host of a URL: "name", "name:port" or "[v6]:port"; the port does not count. */
bool trace_hosts_have(const char *list, const char *host, size_t len);

#endif
