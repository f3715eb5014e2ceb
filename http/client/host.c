/* host: one origin, how many calls to it run, and which ones wait until one has ended. Frees itself with the last of
 * its calls and connections. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "http/client/client_core.h"

static client_host **host_bucket(http_client *client, const char *origin)
{
    return &client->hosts[text_hash(origin) % CLIENT_HOST_BUCKETS];
}

static client_host *host_find_or_make(http_client *client, const char *origin)
{
    client_host **at = host_bucket(client, origin);
    for (client_host *h = *at; h; h = h->next)
        if (strcmp(h->origin, origin) == 0) return h;
    size_t len = strlen(origin) + 1;
    assert(len <= CLIENT_ORIGIN_BYTES_MAX);
    client_host *h = calloc(1, sizeof *h + len);
    if (!h) return NULL;
    memcpy(h->origin, origin, len);
    h->client = client;
    TAILQ_INIT(&h->waiting);
    TAILQ_INIT(&h->seats[false]);
    TAILQ_INIT(&h->seats[true]);
    h->next = *at;
    *at = h;
    return h;
}

void host_free_if_unused(client_host *h)
{
    if (h->running > 0 || h->refs > 0 || !TAILQ_EMPTY(&h->waiting)) return;
    if (!TAILQ_EMPTY(&h->seats[false]) || !TAILQ_EMPTY(&h->seats[true])) return;
    assert(!h->filling);
    client_host **at = host_bucket(h->client, h->origin);
    while (*at != h) at = &(*at)->next;
    *at = h->next;
    free(h);
}

client_host *host_ref(http_client *client, const char *origin)
{
    client_host *h = host_find_or_make(client, origin);
    if (h) h->refs++;
    return h;
}

void host_unref(client_host *host)
{
    assert(host->refs > 0);
    host->refs--;
    host_free_if_unused(host);
}

bool host_has_room(const client_host *host)
{
    return TAILQ_EMPTY(&host->waiting) && host->running < host->client->options.connections_per_host;
}

void host_call_started(client_host *host)
{
    assert(host->running < host->client->options.connections_per_host);
    host->running++;
}

void host_call_ended(client_host *host)
{
    assert(host->running > 0);
    host->running--;
    if (host->filling) return; /* a call that failed as it was launched, by the loop below, which goes on */
    host->filling = true;
    host->refs++;
    while (host->running < host->client->options.connections_per_host && !TAILQ_EMPTY(&host->waiting)) {
        http_call *next = TAILQ_FIRST(&host->waiting);
        TAILQ_REMOVE(&host->waiting, next, queue);
        call_launch(next);
    }
    host->filling = false;
    host_unref(host);
}

void host_withdraw(http_call *call)
{
    client_host *host = call->host;
    assert(call->stage == CALL_WAITING);
    TAILQ_REMOVE(&host->waiting, call, queue);
    call->host = NULL;
    host_free_if_unused(host);
}
