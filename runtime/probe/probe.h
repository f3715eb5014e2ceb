/* probe: how --prove looks into the execution that its process makes, and steers it. Where the runtime comes to a step,
 * an attempt, a call, a clock, it asks `probe_on`, which is false in every process that serves, and then tells the
 * probe. The probe tells whoever proves (facts); answers calls from the tape of the first execution; gives what that
 * one had drawn and what its steps had returned, so that only the handler's own doing can differ; ends the process in
 * the middle of the attempt that it is to die in; and moves the clocks on instead of waiting. One in a process; on its
 * one loop's thread, unless it says otherwise. */
#ifndef RUNTIME_PROBE_PROBE_H
#define RUNTIME_PROBE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "http/client/client.h"
#include "runtime/base/clock.h"
#include "runtime/run/step_spec.h"
#include "runtime/stepwell.h"

struct home;
struct tape;

typedef struct probe_plan {
    bool is_first;       /* its calls and values are what the others get */
    bool may_call;       /* calls that the tape does not have leave the process */
    struct tape *tape;   /* borrowed */
    uint64_t death_path; /* of the step that it dies in; 0: it does not */
    uint32_t death_attempt;
    bool stays;     /* there the run leaves memory instead, and goes on in the same process */
    unsigned crash; /* which crash point this is; sets apart what direct reads of the clock see */
} probe_plan;

extern bool probe_on; /* set before any thread is made */

void probe_begin(const probe_plan *plan);

/* The code asks for a step, or a sleep. */
void probe_step(const sw_ctx *c, const step_spec *spec);
void probe_sleep(const sw_ctx *c, const char *id, uint64_t path);
/* An attempt begins. */
void probe_attempt(const step_spec *spec, int number);
/* Its function is over, and nothing of that is recorded yet. Puts the first execution's result in place of its own;
 * does not return where the process is to die. */
void probe_attempt_over(sw_ctx *c, const step_spec *spec, bool ok, sw_value *value);
/* It is made again after so long: in the first execution an upstream may need that. */
void probe_pause(int64_t ms);
/* What sw_now or sw_random outside steps is to return, which is the recorded value of this path: what the first
 * execution had. Inside steps they are fresh, so that a key which is drawn there is seen to be another each time. */
uint64_t probe_draw(uint64_t path, uint64_t fresh);
/* sw_blocking begins (1) or ends (-1) something. */
void probe_work(int by);

/* In place of http_call_start; before http_call_close; before http_call_consume. */
http_call *probe_call(sw_ctx *c, const http_call_options *o, void (*on_change)(void *arg), void *arg);
void probe_call_close(http_call *call);
void probe_call_consume(http_call *call, size_t len);

/* `function` belongs into a step and was called outside, from `caller`. */
void probe_misuse(const sw_ctx *c, const char *function, const void *caller);

/* The loop is about to wait. If nothing is under way but points in time, the next of these is now. */
void probe_idle(struct home *h);

#endif
