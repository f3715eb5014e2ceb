#include "runtime/run/public_url.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PUBLIC_URLS_MAX = 32, PUBLIC_URL_BYTES = 400 };
_Static_assert(PUBLIC_URLS_MAX == 32 && PUBLIC_URL_BYTES == 400, "public_urls_add says both numbers");

struct public_urls {
    size_t count;
    char *base[PUBLIC_URLS_MAX];            /* owned */
    const char *authority[PUBLIC_URLS_MAX]; /* in base */
    size_t authority_len[PUBLIC_URLS_MAX];
};

static bool public_url_reject(char *error, size_t size, const char *url, size_t len, const char *why)
{
    (void)snprintf(error, size, "--public-url %.*s: %s", (int)(len < 200 ? len : 200), url, why);
    return false;
}

static bool public_urls_add(public_urls *u, const char *url, size_t len, char *error, size_t size)
{
    while (len > 0 && url[len - 1] == '/') len--;
    size_t scheme = strncasecmp(url, "https://", 8) == 0 ? 8 : 7;
    if (scheme == 7 && strncasecmp(url, "http://", 7) != 0) scheme = 0;
    if (scheme == 0 || len <= scheme)
        return public_url_reject(error, size, url, len,
                                 "must be like https://api.example.com or http://host:port/path");
    if (url[scheme] == '/' || url[scheme] == ':') return public_url_reject(error, size, url, len, "names no host");
    if (u->count == PUBLIC_URLS_MAX)
        return public_url_reject(error, size, url, len, "is one more than the 32 there may be");
    if (len > PUBLIC_URL_BYTES) return public_url_reject(error, size, url, len, "is longer than 400 bytes");
    for (size_t i = 0; i < len; i++)
        if (url[i] <= ' ' || url[i] >= 0x7f || strchr("\"<>\\^`{|}?#@", url[i]))
            return public_url_reject(error, size, url, len, "holds a character that may not be there");
    char *base = strndup(url, len);
    if (!base) return public_url_reject(error, size, url, len, "out of memory");
    u->base[u->count] = base;
    u->authority[u->count] = base + scheme;
    u->authority_len[u->count] = strcspn(base + scheme, "/");
    u->count++;
    return true;
}

public_urls *public_urls_new(const char *text, char *error, size_t error_size)
{
    public_urls *u = calloc(1, sizeof *u);
    (void)snprintf(error, error_size, "out of memory");
    for (const char *at = text ? text : ""; u && *at;) {
        size_t len = strcspn(at, ",");
        const char *next = at[len] ? at + len + 1 : at + len;
        while (len > 0 && *at == ' ') at++, len--;
        while (len > 0 && at[len - 1] == ' ') len--;
        if (!public_urls_add(u, at, len, error, error_size)) {
            public_urls_free(u);
            return NULL;
        }
        at = next;
    }
    return u;
}

void public_urls_free(public_urls *u)
{
    for (size_t i = 0; u && i < u->count; i++) free(u->base[i]);
    free(u);
}

bool public_urls_https(const public_urls *u)
{
    for (size_t i = 0; i < u->count; i++)
        if (strncasecmp(u->base[i], "https://", 8) == 0) return true;
    return false;
}

/* Whether a Host has only the characters of a name, or an address, and a port: any other is not repeated in a URL. */
static bool host_is_plain(const char *host)
{
    for (; *host; host++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]%", *host)) return false;
    return true;
}

bool public_url(const public_urls *u, const char *host, char *out, size_t size)
{
    size_t host_len = host ? strlen(host) : 0;
    int n = 0;
    assert(size > 0);
    out[0] = 0;
    if (u->count == 0) {
        if (host_len > 0 && host_is_plain(host)) n = snprintf(out, size, "http://%s", host);
    } else {
        size_t at = 0;
        for (size_t i = 0; i < u->count; i++)
            if (u->authority_len[i] == host_len && strncasecmp(u->authority[i], host ? host : "", host_len) == 0) {
                at = i;
                break;
            }
        n = snprintf(out, size, "%s", u->base[at]);
    }
    return n >= 0 && (size_t)n < size;
}
