#include "runtime/run/program.h"

#include <assert.h>
#include <string.h>

const endpoint *app_endpoint(const sw_app *app, const char *route, size_t len)
{
    for (size_t i = 0; i < app->endpoint_count; i++) {
        const endpoint *e = app->endpoints[i];
        if (e->kind == ENDPOINT_DURABLE && strlen(e->route) == len && memcmp(e->route, route, len) == 0) return e;
    }
    return NULL;
}

const char *app_origin(const sw_app *app, const endpoint *e)
{
    const char *origin = e->any_page ? app->opt.cors_origin : e->options.cors_origin;
    return origin && *origin ? origin : NULL;
}

/* A cache may keep any answer to GET that does not forbid it, and Varnish does so for two minutes: the second client
 * would get the first one's run. */
static const http_reply_header not_stored = {"Cache-Control", "no-store"};

void app_make_policies(sw_app *app)
{
    for (size_t i = 0; i < app->endpoint_count; i++) {
        endpoint *e = app->endpoints[i];
        const char *origin = app_origin(app, e);
        e->policy[0] = not_stored;
        e->policy_count = 1;
        if (!origin) continue;
        e->policy[e->policy_count++] = (http_reply_header){"Access-Control-Allow-Origin", origin};
        e->policy[e->policy_count++] = (http_reply_header){"Access-Control-Expose-Headers", "*"};
        _Static_assert(ENDPOINT_POLICY >= 4, "each header below and above has room");
        if (strcmp(origin, "*") != 0) e->policy[e->policy_count++] = (http_reply_header){"Vary", "Origin"};
    }
}

http_policy app_policy(const endpoint *e)
{
    assert(!e || e->policy_count > 0); /* app_make_policies() was called */
    return e ? (http_policy){e->policy, e->policy_count} : (http_policy){&not_stored, 1};
}
