/* guard: calls that may go to public addresses only. It judges the address that a socket is about to be connected to,
 * after every look-up and at every redirect: a name that is looked up again cannot change that address. Such a call has
 * a connection of its own, and takes over none that was opened without being judged. */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "http/client/client_core.h"
#include "http/client/special_address.h"

/* Whether the guard judges the call's addresses: a proxy would look the name up and connect by itself. */
static bool guard_judges(const http_call *call) { return call->public_only && !call->proxied; }

bool guard_admits(http_call *call)
{
    assert(call->stage == CALL_RUNNING);
    if (!call->public_only || !call->proxied || call->client->options.proxy_guards) return true;
    call_end(call, HTTP_CALL_NOT_PUBLIC,
             call_describe(call, "only public addresses are allowed, and the proxy of the environment would choose the "
                                 "address (--proxy-guards, if it refuses the others itself)"));
    return false;
}

bool guard_set_up(CURL *h, const http_call *call)
{
    long alone = guard_judges(call) ? 1 : 0;
    return curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, alone) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_FORBID_REUSE, alone) == CURLE_OK;
}

/* Whether an address of a list, as resolver.h has it, is public. An address that cannot be read counts as not public:
 * guard_allows judges what is connected to. */
static bool address_is_public(const char *text, size_t len)
{
    char copy[INET6_ADDRSTRLEN];
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    if (len > 2 && text[0] == '[') text++, len -= 2;
    if (len >= sizeof copy) return false;
    memcpy(copy, text, len);
    copy[len] = 0;
    if (inet_pton(AF_INET, copy, &four.sin_addr) == 1) return !special_address((const struct sockaddr *)&four);
    return inet_pton(AF_INET6, copy, &six.sin6_addr) == 1 && !special_address((const struct sockaddr *)&six);
}

void guard_pick(const http_call *call, char *addresses)
{
    char *to = addresses;
    size_t first = strcspn(addresses, ",");
    if (!guard_judges(call)) return;
    assert(first > 0);
    for (const char *at = addresses; *at;) {
        size_t len = strcspn(at, ",");
        if (address_is_public(at, len)) {
            if (to > addresses) *to++ = ',';
            assert(to <= at);
            memmove(to, at, len);
            to += len;
        }
        at += len + (at[len] == ',');
    }
    addresses[to > addresses ? (size_t)(to - addresses) : first] = 0;
}

static void address_write(const struct sockaddr *address, char out[INET6_ADDRSTRLEN])
{
    const struct sockaddr_in *four = (const void *)address;
    const struct sockaddr_in6 *six = (const void *)address;
    const void *bytes = address->sa_family == AF_INET6 ? (const void *)&six->sin6_addr : &four->sin_addr;
    if (!inet_ntop(address->sa_family, bytes, out, INET6_ADDRSTRLEN)) (void)snprintf(out, INET6_ADDRSTRLEN, "?");
}

bool guard_allows(http_call *call, const struct sockaddr *address)
{
    if (!guard_judges(call)) return true;
    const char *what = special_address(address);
    if (!what) return call->reaches_public = true;
    _Static_assert(sizeof call->barred_address == INET6_ADDRSTRLEN, "address_write fills it");
    call->barred = what;
    address_write(address, call->barred_address);
    return false;
}

bool guard_may_send(http_call *call)
{
    if (!guard_judges(call) || call->reaches_public) return true;
    call->error = HTTP_CALL_NOT_PUBLIC;
    call->refusal = "only public addresses are allowed, and nobody has judged where this connection leads";
    return false;
}

char *guard_describe_refusal(const http_call *call)
{
    char why[200];
    if (!guard_judges(call) || !call->barred || call->reaches_public) return NULL;
    (void)snprintf(why, sizeof why, "the host's address %s is %s, and only public ones are allowed",
                   call->barred_address, call->barred);
    return call_describe(call, why);
}
