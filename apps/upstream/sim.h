/* sim: what the APIs share: the settings, and the life of one call: begun in the log, counted, delayed, given its
 * fault, answered. Knows none of the APIs. */
#ifndef UPSTREAM_SIM_H
#define UPSTREAM_SIM_H

#include "apps/upstream/call_log.h"
#include "apps/upstream/faults.h"
#include "apps/upstream/settings.h"

typedef struct sim_call {
    sw_ctx *c;
    uint64_t number;    /* in the log */
    uint64_t body_hash; /* of API and body */
    uint64_t draw; /* what all chance of the call is drawn from; until sim_admit() as if no such call had come before */
    const char *request_id; /* "req_..." */
    fault_kind fault;       /* set by sim_admit() */
} sim_call;

void sim_start(const settings *s); /* once, before anything is served */
const settings *sim_settings(void);

sim_call sim_begin(sw_ctx *c, call_api api);

/* Admits a valid request: waits its latency, draws its fault and returns 0; or returns the milliseconds until the rate
 * limit lets a call in. */
int64_t sim_admit(sim_call *call, call_api api, fault_scope scope);

/* Adds the header Retry-After, in whole seconds. */
void sim_retry_after(const sim_call *call, int64_t wait_ms);

/* Answers with JSON and ends the call in the log; with FAULT_CUT half of the body. */
void sim_reply(sim_call *call, int status, sw_value body);

/* Cuts the connection of an opened reply after what was written has had time to leave. */
void sim_cut(const sim_call *call);

/* Ends the call in the log. */
void sim_end(const sim_call *call, int status, const char *outcome);

#endif
