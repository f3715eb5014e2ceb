/* names: the addresses of hosts, looked up before a call is given to curl. curl would start a thread for each call, and
 * stop the loop to wait for that thread when the call ends first.
 *
 *   counted at its host -- NAMING -- address known --> RUNNING
 *
 * An address is good for FRESH_MS; until STALE_MS it is used while the name is looked up anew, unless no connection
 * came about. When the table has --names-max names, the oldest gives way to a new one; when all of them are being
 * looked up, the call fails. */
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/client/client_core.h"

enum { FRESH_MS = 60000, STALE_MS = 300000, NAME_BYTES_MAX = 254 };

struct client_name {
    client_name *next;        /* in its bucket */
    char *addresses;          /* owned; NULL: not known */
    uint64_t known_ms;        /* loop time of the answer */
    bool asked;               /* a look-up is under way */
    struct call_list waiting; /* calls in stage NAMING */
    char name[];
};

/* ---- Which names are looked up here ---- */

/* Splits the origin of the call's host, "http://name:port". False: there is nothing to look up, since the host is an
 * address, a proxy will look the name up, or curl does: localhost and names that are not ASCII. */
static bool origin_split(const http_call *call, char *name, const char **port)
{
    const char *origin = call->host->origin;
    if (call->proxied) return false;
    const char *at = strstr(origin, "://") + 3, *colon = strrchr(at, ':');
    assert(colon);
    size_t len = (size_t)(colon - at);
    struct in_addr four;
    if (*at == '[' || len >= NAME_BYTES_MAX) return false;
    memcpy(name, at, len);
    name[len] = 0;
    *port = colon + 1;
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p >= 0x80 || *p == '%') return false;
    bool local = strcmp(name, "localhost") == 0 || (len > 10 && strcmp(name + len - 10, ".localhost") == 0);
    return !local && inet_aton(name, &four) == 0;
}

/* ---- The table ---- */

static client_name **name_bucket(http_client *c, const char *name)
{
    return &c->names[text_hash(name) % CLIENT_NAME_BUCKETS];
}

static client_name *name_find(http_client *c, const char *name)
{
    client_name *n = *name_bucket(c, name);
    while (n && strcmp(n->name, name) != 0) n = n->next;
    return n;
}

static void name_free(http_client *c, client_name **link)
{
    client_name *n = *link;
    assert(TAILQ_EMPTY(&n->waiting));
    assert(c->name_count > 0);
    *link = n->next;
    c->name_count--;
    free(n->addresses);
    free(n);
}

/* Frees the oldest of the names that are not being looked up, if there is one. */
static void names_free_oldest(http_client *c)
{
    client_name **oldest = NULL;
    for (size_t i = 0; i < CLIENT_NAME_BUCKETS; i++)
        for (client_name **link = &c->names[i]; *link; link = &(*link)->next)
            if (!(*link)->asked && (!oldest || (*link)->known_ms < (*oldest)->known_ms)) oldest = link;
    if (oldest) name_free(c, oldest);
}

/* NULL: no memory, or --names-max names are being looked up. */
static client_name *name_find_or_make(http_client *c, const char *name)
{
    client_name *n = name_find(c, name);
    if (n) return n;
    if (c->name_count >= c->options.names_max) names_free_oldest(c);
    size_t size = strlen(name) + 1;
    if (c->name_count >= c->options.names_max || !(n = calloc(1, sizeof *n + size))) return NULL;
    memcpy(n->name, name, size);
    TAILQ_INIT(&n->waiting);
    client_name **at = name_bucket(c, name);
    n->next = *at;
    *at = n;
    c->name_count++;
    assert(c->name_count <= c->options.names_max);
    return n;
}

void names_free(http_client *c)
{
    for (size_t i = 0; i < CLIENT_NAME_BUCKETS; i++)
        while (c->names[i]) name_free(c, &c->names[i]);
    assert(c->name_count == 0);
}

/* ---- Calls ---- */

static const char no_memory[] = "out of memory";

/* Puts the addresses into the text by which curl's cache gets them. False: no memory; without them curl would look the
 * name up by itself, in a thread for each call. */
static bool call_set_address(http_call *call, const client_name *n, const char *port)
{
    assert(n->addresses);
    size_t size = strlen(n->name) + strlen(port) + strlen(n->addresses) + 4;
    free(call->resolve_text);
    call->resolve_text = malloc(size);
    if (!call->resolve_text) return false;
    int head = snprintf(call->resolve_text, size, "+%s:%s:", n->name, port);
    (void)snprintf(call->resolve_text + head, size - (size_t)head, "%s", n->addresses);
    guard_pick(call, call->resolve_text + head);
    call->resolve = (struct curl_slist){.data = call->resolve_text};
    return true;
}

/* Ends a call whose name has no room in the table. */
static void call_refuse_name(http_call *call)
{
    const http_client *c = call->client;
    char why[96];
    if (c->name_count < c->options.names_max) {
        call_end(call, HTTP_CALL_OTHER, call_describe(call, no_memory));
        return;
    }
    (void)snprintf(why, sizeof why, "more than %zu names of hosts are being looked up (--names-max)",
                   c->options.names_max);
    call_end(call, HTTP_CALL_BUSY, call_describe(call, why));
}

bool names_provide(http_call *call)
{
    http_client *c = call->client;
    char name[NAME_BYTES_MAX];
    const char *port;
    assert(call->stage == CALL_RUNNING);
    assert(!call->name);
    free(call->resolve_text);
    call->resolve_text = NULL;
    if (!origin_split(call, name, &port)) return true;
    client_name *n = name_find_or_make(c, name);
    if (!n) {
        call_refuse_name(call);
        return false;
    }
    uint64_t age_ms = uv_now(c->loop) - n->known_ms;
    if ((!n->addresses || age_ms >= FRESH_MS) && !n->asked) n->asked = resolver_ask(c->resolver, name);
    bool usable = n->addresses && age_ms < STALE_MS;
    if (usable && call_set_address(call, n, port)) return true;
    if (usable || !n->asked) {
        call_end(call, HTTP_CALL_OTHER, call_describe(call, no_memory));
        return false;
    }
    call->stage = CALL_NAMING;
    call->naming_ms = uv_now(c->loop);
    call->name = n;
    TAILQ_INSERT_TAIL(&n->waiting, call, queue);
    return false;
}

void names_withdraw(http_call *call)
{
    assert(call->stage == CALL_NAMING);
    TAILQ_REMOVE(&call->name->waiting, call, queue);
    call->name = NULL;
}

void names_forget_address(http_call *call)
{
    char name[NAME_BYTES_MAX];
    const char *port;
    client_name *n = origin_split(call, name, &port) ? name_find(call->client, name) : NULL;
    if (!n) return;
    free(n->addresses);
    n->addresses = NULL;
}

static void names_launch_call(http_call *call, const client_name *n)
{
    char name[NAME_BYTES_MAX];
    const char *port;
    if (!origin_split(call, name, &port) || call_set_address(call, n, port))
        call_launch_named(call);
    else
        call_end(call, HTTP_CALL_OTHER, call_describe(call, no_memory));
}

/* All calls that waited when the answer came share it. A failure is not cached: the next call asks anew. */
void names_answered(void *client, const char *name, const char *addresses, const char *error)
{
    http_client *c = client;
    client_name *n = name_find(c, name);
    struct call_list waiting = TAILQ_HEAD_INITIALIZER(waiting);
    char why[160];
    if (!n) return;
    assert(n->asked);
    n->asked = false;
    if (addresses) {
        char *copy = strdup(addresses);
        free(n->addresses);
        n->addresses = copy;
        n->known_ms = uv_now(c->loop);
    }
    TAILQ_CONCAT(&waiting, &n->waiting, queue);
    (void)snprintf(why, sizeof why, "the name could not be looked up: %s", error ? error : no_memory);
    for (http_call *call; (call = TAILQ_FIRST(&waiting));) {
        TAILQ_REMOVE(&waiting, call, queue);
        assert(call->stage == CALL_NAMING);
        assert(call->name == n);
        call->name = NULL;
        if (n->addresses && addresses)
            names_launch_call(call, n);
        else
            call_end(call, HTTP_CALL_RESOLVE, call_describe(call, why));
    }
    client_tell_news(c);
}
