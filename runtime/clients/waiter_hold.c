/* waiter_hold: how long a client is held before it is sent on or told to ask again, and what it is told then. */
#include <assert.h>

#include "runtime/clients/hold.h"
#include "runtime/clients/waiter_core.h"
#include "runtime/run/home.h"
#include "runtime/run/program.h"
#include "runtime/run/public_url.h"
#include "runtime/run/run.h"

enum {
    NOT_YET_MS = 1000, /* of a run that is not on disk, or not loaded: until that is looked at again */
    LATEST_MS = 4000   /* by how much a client may be sent on too late, while its run is not loaded */
};

/* Whether a client of the run may be sent on: 202 and 303 promise that the run will be found. */
static bool run_is_on_disk(const slot *s) { return s && (!s->run || run_is_durable(s->run)); }

static int64_t waiter_hold_max_ms(const waiter *w)
{
    const home *h = w->home;
    char base[BASE_MAX_BYTES];
    if (w->wish.kind != WAITER_OUTPUT) return h->opt->hold_ms > 0 ? h->opt->hold_ms : HOLD_PROXY_MS;
    if (!public_url(h->app->public_urls, w->host, base, sizeof base)) base[0] = 0;
    return hold_at_output_ms(h->opt->hold_ms, w->hold_ms, base);
}

static int64_t waiter_waited_ms(const waiter *w)
{
    int64_t ms = clock_steady_ms() - w->wish.since_ms;
    return ms > 0 ? ms : 0; /* the worker before may have been of a version that went by another clock */
}

/* Sends on the client of a first request, since a proxy before it would soon give up. Not if the run ends with its
 * clients: a client that is sent on does not count as one. Whether a run of a former process does so is only known when
 * it has been loaded; if it is not until LATEST_MS, its client is sent on, and the run goes on alone. */
static void waiter_send_on_in_time(waiter *w)
{
    const slot *s = slot_find(&w->home->slots, &w->id);
    if (s && s->tie == TIE_CLIENTS) return;
    bool is_judged = !s || s->tie == TIE_NONE;
    bool is_late = waiter_waited_ms(w) >= waiter_hold_max_ms(w) + LATEST_MS;
    if (run_is_on_disk(s) && (is_judged || is_late))
        waiter_send_on(w, 303);
    else
        (void)timers_start(&w->home->timers, &w->hold, NOT_YET_MS);
}

void waiter_on_hold_over(struct timer *t)
{
    waiter *w = t->arg;
    switch (w->wish.kind) {
    case WAITER_CANCEL:
    case WAITER_RELEASE:
    case WAITER_STOP:
        waiter_answer_later(w);
        return;
    case WAITER_OUTPUT:
        waiter_send_on(w, 303);
        return;
    case WAITER_REQUEST:
        waiter_send_on_in_time(w);
        return;
    default:
        assert(w->wish.kind == WAITER_WAIT);
        w->wish.kind = WAITER_ASYNC; /* it gets 202 when the run is on disk */
        if (run_is_on_disk(slot_find(&w->home->slots, &w->id))) waiter_send_on(w, 202);
    }
}

static bool waiter_is_behind_proxy(const waiter *w)
{
    return w->hold_ms == HOLD_PROXY_MS || public_urls_https(w->home->app->public_urls);
}

int64_t waiter_hold_ms(const waiter *w)
{
    int64_t hold = waiter_hold_max_ms(w) - waiter_waited_ms(w);
    if (hold < 1) hold = 1;
    switch (w->wish.kind) {
    case WAITER_REQUEST:
        return waiter_is_behind_proxy(w) ? hold : 0;
    case WAITER_OUTPUT:
    case WAITER_CANCEL:
    case WAITER_RELEASE:
    case WAITER_STOP:
        return hold;
    case WAITER_WAIT:
        return w->wish.wait_ms < hold ? w->wish.wait_ms : hold;
    case WAITER_STREAM:
        return w->home->opt->heartbeat_ms;
    default:
        return 0;
    }
}
