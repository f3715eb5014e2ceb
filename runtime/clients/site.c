#include "runtime/clients/site.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { NAME_BYTES_MAX = 253 };

/* The length of the name without its port: "[::1]:80" gives that of "[::1]". */
static size_t host_name_len(const char *host)
{
    size_t len = strcspn(host, host[0] == '[' ? "]" : ":");
    return host[0] == '[' && host[len] ? len + 1 : len;
}

static bool host_is_name(const char *host, size_t len, const char *name)
{
    return len == strlen(name) && strncasecmp(host, name, len) == 0;
}

/* Reads an address of four numbers, written in full. */
static bool host_read_address(const char *host, size_t len, struct in_addr *out)
{
    char text[INET_ADDRSTRLEN];
    if (len >= sizeof text) return false;
    memcpy(text, host, len);
    text[len] = 0;
    return inet_pton(AF_INET, text, out) == 1;
}

/* "name.localhost" is this machine too, everywhere (RFC 6761, 6.3). */
bool site_is_here(const char *host)
{
    static const char suffix[] = ".localhost";
    size_t len = host_name_len(host), suffix_len = sizeof suffix - 1;
    struct in_addr four;
    return host_is_name(host, len, "localhost") || host_is_name(host, len, "[::1]") ||
           (host_read_address(host, len, &four) && ntohl(four.s_addr) >> 24 == 127) ||
           (len > suffix_len && strncasecmp(host + len - suffix_len, suffix, suffix_len) == 0);
}

bool site_is_address(const char *host)
{
    char text[INET6_ADDRSTRLEN];
    size_t len = host_name_len(host);
    struct in_addr four;
    struct in6_addr six;
    if (host[0] != '[') return host_read_address(host, len, &four);
    if (len < 3 || host[len - 1] != ']' || len - 2 >= sizeof text) return false;
    memcpy(text, host + 1, len - 2);
    text[len - 2] = 0;
    return inet_pton(AF_INET6, text, &six) == 1;
}

/* Takes the first name off the list at *at, without the spaces around it. False: the list is over. */
static bool names_take(const char **at, const char **name, size_t *len)
{
    if (!*at || !**at) return false;
    size_t n = strcspn(*at, ",");
    *name = *at;
    *at += (*at)[n] ? n + 1 : n;
    while (n > 0 && **name == ' ') (*name)++, n--;
    while (n > 0 && (*name)[n - 1] == ' ') n--;
    *len = n;
    return true;
}

bool site_is_listed(const char *host, const char *names)
{
    const char *name;
    size_t len, host_len = host_name_len(host);
    while (names_take(&names, &name, &len)) {
        if (len > 0 && len == host_len && strncasecmp(name, host, len) == 0) return true;
    }
    return false;
}

bool site_is_origin(const char *origin, const char *host)
{
    size_t scheme = strncasecmp(origin, "https://", 8) == 0 ? 8 : strncasecmp(origin, "http://", 7) == 0 ? 7 : 0;
    return scheme > 0 && strcasecmp(origin + scheme, host) == 0;
}

bool site_is_embedded(const char *fetch_site, const char *fetch_dest)
{
    bool is_own = !fetch_site || strcmp(fetch_site, "same-origin") == 0 || strcmp(fetch_site, "none") == 0;
    return !is_own && !(fetch_dest && strcmp(fetch_dest, "document") == 0);
}

bool site_check_names(const char *names, char *error, size_t error_size)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    const char *name;
    size_t len;
    assert(error_size > 0);
    for (const char *at = names; names_take(&at, &name, &len);) {
        if (len > 0 && len <= NAME_BYTES_MAX && strspn(name, allowed) >= len) continue;
        (void)snprintf(error, error_size,
                       "--admin-host %.200s: must be names without port, as admin.example.com, with commas", names);
        return false;
    }
    return true;
}
