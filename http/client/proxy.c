/* proxy: which calls go through a proxy of the environment. The variables are curl's (http_proxy, https_proxy,
 * all_proxy, no_proxy). The decision is made here, as curl would make it, and told to curl, because the client needs
 * it: for who looks up names, whose failure a failed connection is, and which addresses a call may go to. */
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/client/client_core.h"

const char *environment_value(const char *name, const char *other)
{
    const char *value = getenv(name);
    if ((!value || !*value) && other) value = getenv(other);
    return value && *value ? value : NULL;
}

/* Copies no_proxy of the environment with the names of loopback, which is never reached through a proxy. */
static char *no_proxy_copy(void)
{
    const char *given = environment_value("no_proxy", "NO_PROXY");
    size_t size = (given ? strlen(given) : 0) + 40;
    char *text = malloc(size);
    if (text && given && strcmp(given, "*") == 0)
        (void)snprintf(text, size, "*");
    else if (text)
        (void)snprintf(text, size, "localhost,127.0.0.1,::1%s%s", given ? "," : "", given ? given : "");
    return text;
}

bool proxies_init(http_client *c)
{
    bool all = environment_value("all_proxy", "ALL_PROXY");
    /* curl ignores HTTP_PROXY, which a CGI client could set */
    c->proxies_http = all || environment_value("http_proxy", NULL);
    c->proxies_https = all || environment_value("https_proxy", "HTTPS_PROXY");
    c->no_proxy = no_proxy_copy();
    return c->no_proxy != NULL;
}

/* ---- Hosts that are called directly ---- */

typedef struct proxy_target {
    const char *name; /* no brackets, no final dot */
    size_t len;
    int family; /* 0: no address */
    unsigned char address[16];
} proxy_target;

_Static_assert(sizeof(struct in_addr) == 4, "address_parse writes the first 4 bytes");
_Static_assert(sizeof(struct in6_addr) == 16, "address_parse writes all 16 bytes");

static int address_parse(const char *text, size_t len, unsigned char *out)
{
    char copy[INET6_ADDRSTRLEN];
    struct in_addr four;
    if (len == 0 || len >= sizeof copy) return 0;
    memcpy(copy, text, len);
    copy[len] = 0;
    if (inet_pton(AF_INET6, copy, out) == 1) return AF_INET6;
    if (!inet_aton(copy, &four)) return 0; /* also the spellings that curl rewrites, such as 127.1 */
    memcpy(out, &four, sizeof four);
    return AF_INET;
}

static proxy_target target_of(const char *name, size_t len)
{
    if (len > 1 && name[0] == '[' && name[len - 1] == ']') name++, len -= 2;
    if (len > 1 && name[len - 1] == '.') len--;
    proxy_target p = {.name = name, .len = len};
    p.family = address_parse(name, len, p.address);
    return p;
}

static bool address_bits_equal(const unsigned char *a, const unsigned char *b, size_t bits)
{
    assert(bits <= 128);
    if (memcmp(a, b, bits / 8) != 0) return false;
    return bits % 8 == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0;
}

/* Reads one to three digits and nothing else: a slash by mistake must not make a block of all addresses. */
static bool bits_parse(const char *text, size_t len, size_t *bits)
{
    *bits = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        *bits = *bits * 10 + (size_t)(text[i] - '0');
    }
    return len >= 1 && len <= 3;
}

/* Whether an entry such as "192.168.0.0/16", or an address, holds the target. */
static bool block_holds(const char *entry, size_t len, const proxy_target *p)
{
    assert(p->family == AF_INET || p->family == AF_INET6);
    unsigned char first[16];
    const char *slash = memchr(entry, '/', len);
    size_t address_len = slash ? (size_t)(slash - entry) : len, most = p->family == AF_INET6 ? 128 : 32, bits = most;
    if (slash && !bits_parse(slash + 1, len - address_len - 1, &bits)) return false;
    if (address_len > 1 && entry[0] == '[' && entry[address_len - 1] == ']') entry++, address_len -= 2;
    return bits <= most && address_parse(entry, address_len, first) == p->family &&
           address_bits_equal(first, p->address, bits);
}

/* Whether an entry holds the target: "example.com" and ".example.com" stand for the name and all names below it. */
static bool domain_holds(const char *entry, size_t len, const proxy_target *p)
{
    if (len > 0 && entry[len - 1] == '.') len--;
    if (len > 0 && entry[0] == '.') entry++, len--;
    if (len == 0 || len > p->len || strncasecmp(p->name + p->len - len, entry, len) != 0) return false;
    return len == p->len || p->name[p->len - len - 1] == '.';
}

static bool target_is_direct(const char *no_proxy, const proxy_target *p)
{
    if (strcmp(no_proxy, "*") == 0) return true;
    for (const char *at = no_proxy; *at;) {
        at += strspn(at, " ,");
        size_t len = strcspn(at, " ,");
        if (p->family ? block_holds(at, len, p) : domain_holds(at, len, p)) return true;
        at += len;
    }
    return false;
}

bool proxy_applies(const http_client *c, const char *origin)
{
    assert(strncmp(origin, "http", 4) == 0);
    if (!(origin[4] == 's' ? c->proxies_https : c->proxies_http)) return false;
    const char *name = strstr(origin, "://") + 3;
    assert(strrchr(name, ':'));
    proxy_target p = target_of(name, (size_t)(strrchr(name, ':') - name));
    return !target_is_direct(c->no_proxy, &p);
}

bool proxy_set_up(CURL *h, const http_call *call)
{
    /* curl gets no no_proxy, which it may read otherwise: a call that counts as the proxy's would go past it unjudged
     */
    return curl_easy_setopt(h, CURLOPT_PROXY, call->proxied ? NULL : "") == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_NOPROXY, "") == CURLE_OK;
}

/* ---- What a proxy refuses ---- */

/* Whether another call may do better: such a status is about the proxy's own trouble, or a limit of it. */
static bool status_may_pass(long status) { return status == 408 || status == 425 || status == 429 || status >= 500; }

http_call_error_kind proxy_refusal(const http_call *call, char **text)
{
    char why[160];
    long status = 0;
    assert(call->easy);
    (void)curl_easy_getinfo(call->easy->curl, CURLINFO_HTTP_CONNECTCODE, &status);
    if (!call->proxied || call->sent || status < 100 || (status >= 200 && status < 300)) return HTTP_CALL_OK;
    const char *hint =
        status == 407 || status == 401 ? "; it takes the user and password of the proxy's URL (https_proxy)" : "";
    (void)snprintf(why, sizeof why, "the proxy answered %ld to CONNECT%s", status, hint);
    *text = call_describe(call, why);
    return status_may_pass(status) ? HTTP_CALL_PROXY : HTTP_CALL_PROXY_REFUSED;
}
