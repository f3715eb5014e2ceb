#include "runtime/trace/trace_hosts.h"

#include <string.h>
#include <strings.h>

/* Returns the length of the name in "name:port"; an address of IPv6 is in brackets. */
static size_t host_name_length(const char *host, size_t len)
{
    const char *bracket = len > 0 && host[0] == '[' ? memchr(host, ']', len) : NULL;
    if (bracket) return (size_t)(bracket - host) + 1;
    const char *colon = memchr(host, ':', len);
    return colon ? (size_t)(colon - host) : len;
}

static bool host_matches(const char *item, size_t item_len, const char *host, size_t len)
{
    if (item_len == 1 && *item == '*') return true;
    if (item_len < 2 || item[0] != '*' || item[1] != '.') return len == item_len && strncasecmp(item, host, len) == 0;
    item++; /* ".name" is what the host has to end with */
    item_len--;
    return len > item_len && strncasecmp(host + len - item_len, item, item_len) == 0;
}

bool trace_hosts_have(const char *list, const char *host, size_t len)
{
    len = host_name_length(host, len);
    for (const char *at = list; at && *at; at += *at == ',') {
        at += strspn(at, " ");
        size_t item_len = strcspn(at, ",");
        size_t trimmed = item_len;
        while (trimmed > 0 && at[trimmed - 1] == ' ') trimmed--;
        if (trimmed > 0 && len > 0 && host_matches(at, trimmed, host, len)) return true;
        at += item_len;
    }
    return false;
}
