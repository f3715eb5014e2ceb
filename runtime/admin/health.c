#include "runtime/admin/health.h"

#include <assert.h>
#include <stdio.h>

#include "runtime/flow/schedules.h"
#include "runtime/run/program.h"
#include "runtime/run/settings.h"
#include "runtime/run/slot.h"

enum { HEALTH_BYTES = 64 };

/* Replies {"status": state}; `state` is plain text without quotes. Takes no memory: a probe is answered when all else
 * is not. */
static void health_reply(http_exchange *x, int status, const char *state)
{
    char body[HEALTH_BYTES];
    http_reply_header type = {"Content-Type", "application/json"};
    int len = snprintf(body, sizeof body, "{\"status\":\"%s\"}\n", state);
    assert(len > 0 && (size_t)len < sizeof body);
    http_reply(x, status, &type, 1, (http_text){body, (size_t)len});
}

void health_on_alive(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)h, (void)e, (void)params, (void)n;
    health_reply(x, 200, "ok");
}

void health_on_ready(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    store_stats stats = {0};
    if (h->store) store_stats_get(h->store, &stats);
    if (h->draining)
        health_reply(x, 503, "draining");
    else if ((h->port && !h->slots.recovered) || !settings_are_known(h->app->settings) ||
             !schedules_are_known(h->app->schedules))
        health_reply(x, 503, "recovering");
    else if (stats.read_only)
        health_reply(x, 503, "journal cannot be written");
    else
        health_reply(x, 200, "ready");
}
