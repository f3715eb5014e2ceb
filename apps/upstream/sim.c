#include "apps/upstream/sim.h"

#include <assert.h>

#include "apps/upstream/chance.h"

/* Written once before the loops start. */
static settings sim_world;

void sim_start(const settings *s) { sim_world = *s; }
const settings *sim_settings(void) { return &sim_world; }

sim_call sim_begin(sw_ctx *c, call_api api)
{
    sw_bytes body = sw_body(c);
    uint64_t hash = chance_hash(chance_mix(CHANCE_START, api), body.data, body.len);
    sim_call call = {.c = c, .body_hash = hash, .draw = fault_draw(&sim_world, hash, 0)};
    call.number = call_log_begin(api, hash, sw_now(c));
    call.request_id = sw_printf(c, "req_%016llx%08llx", (unsigned long long)call.draw, (unsigned long long)call.number);
    return call;
}

int64_t sim_admit(sim_call *call, call_api api, fault_scope scope)
{
    int64_t wait_ms = fault_rate_limit_ms(&sim_world, api);
    if (wait_ms > 0) return wait_ms;
    call->draw = fault_draw(&sim_world, call->body_hash, call_log_count(call->body_hash));
    call->fault = fault_of(&sim_world, call->draw, scope);
    int64_t latency_ms = fault_latency_ms(&sim_world, call->draw);
    if (latency_ms > 0) sw_sleep(call->c, "latency", latency_ms);
    return 0;
}

void sim_retry_after(const sim_call *call, int64_t wait_ms)
{
    assert(wait_ms > 0);
    sw_reply_header(call->c, "retry-after", sw_printf(call->c, "%lld", (long long)((wait_ms + 999) / 1000)));
}

static const char *outcome_of(const sim_call *call, int status)
{
    if (status < 400) return fault_name(call->fault);
    if (status == 429) return "rate_limited";
    return status < 500 ? "refused" : fault_name(call->fault);
}

void sim_reply(sim_call *call, int status, sw_value value)
{
    sw_ctx *c = call->c;
    sw_bytes body = sw_json(c, value);
    sim_end(call, status, outcome_of(call, status));
    if (call->fault != FAULT_CUT || status >= 400) {
        sw_reply(c, status, "application/json", body.data, body.len);
        return;
    }
    sw_reply_open(c, status, "application/json");
    (void)sw_reply_write(c, body.data, body.len / 2);
    sim_cut(call);
}

void sim_cut(const sim_call *call)
{
    /* A cut discards what still waits to be sent; a client that saw nothing would have seen no cut in the middle. */
    static const int64_t leave_ms = 20;
    sw_sleep(call->c, "cut", leave_ms);
    sw_reply_abort(call->c);
}

void sim_end(const sim_call *call, int status, const char *outcome)
{
    assert(status >= 100 && status <= 599);
    call_log_end(call->number, status, outcome, sw_now(call->c));
}
