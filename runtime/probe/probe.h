/* probe: how --prove and --check look into an execution and steer it. Where the runtime comes to a step, attempt, call
 * or clock it asks `probe_on`, which is false in every process that serves, and then tells the probe. The probe reports
 * facts to the process that proves; answers calls from the first execution's tape; returns the values that the first
 * execution drew and the results of its steps, so that only the handler's own doing can differ; ends the process in the
 * middle of the attempt that the plan names; and moves the clocks on instead of waiting. One in a process, on the
 * thread of its only loop. Never changes a process that serves. */
#ifndef RUNTIME_PROBE_PROBE_H
#define RUNTIME_PROBE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "http/client/client.h"
#include "runtime/base/clock.h"
#include "runtime/run/step_spec.h"
#include "runtime/stepwell.h"
#include "storage/run_id.h"

struct home;
struct open_wait;
struct run;
struct strand;
struct tape;

typedef struct probe_plan {
    bool is_first;          /* the execution whose calls and values the others get */
    bool may_call;          /* calls that the tape does not have leave the process */
    bool checks;            /* --check: no attempt, sleep or wait begins; what would begin one waits there for good */
    struct tape *tape;      /* borrowed */
    uint64_t death_path;    /* path of the step in which the process dies; 0: in none */
    uint64_t death_run;     /* whose step it is: its lineage (probe_runs.h) */
    uint32_t death_attempt; /* which attempt of that step, from 1 */
    bool stays;             /* instead of the process dying the run leaves memory there, and goes on in the process */
    unsigned crash;         /* number of the crash point; direct reads of the clock differ by it */
} probe_plan;

extern bool probe_on; /* set before any thread is made */

/* Turns the probe on, with a copy of the plan. Once, before there is another thread. */
void probe_begin(const probe_plan *plan);

/* The code asks for a step, a sleep, or a wait. */
void probe_step(const sw_ctx *c, const step_spec *spec);
void probe_sleep(const sw_ctx *c, const char *id, uint64_t path);
void probe_wait(const sw_ctx *c, const char *id, uint64_t path);
/* The code asks for a call of a function, with that input. */
void probe_call_asked(const sw_ctx *c, const char *id, uint64_t path, sw_value input);
/* The code asks which member of a group has won. */
void probe_choice(const sw_ctx *c, const char *id, uint64_t path);
/* An attempt begins. */
void probe_attempt(const struct run *r, const step_spec *spec, int number);
/* The code has come to an attempt, which no result in the journal answers; `failed`: attempts that the journal has.
 * Under --check: reports that, and returns true when the strand is to be unwound. Else returns false at once. */
bool probe_holds_attempt(struct strand *s, const step_spec *spec, uint32_t failed);
/* The code has come to a sleep. Under --check: returns true if the journal has it: the sleep is over. If not, reports
 * that, waits until the strand is to be unwound, and does not return. Else returns false. */
bool probe_passes_sleep(sw_ctx *c, const char *id, uint64_t path, bool is_recorded);
/* The code has come to a wait that the journal has no end of. Under --check: reports that, waits until the strand is to
 * be unwound, and does not return. */
void probe_hold_wait(sw_ctx *c, const char *id, uint64_t path);
/* The code has come to a call of a function, of which the journal has no result. Likewise. */
void probe_hold_call(sw_ctx *c, const char *id, uint64_t path);
/* The code has come to a signal to another run. Under --check, unless the journal has it: waits until the strand is to
 * be unwound, and does not return. */
void probe_sent(sw_ctx *c, const char *id, uint64_t path, bool is_recorded);
/* Under --check: reports that the step, sleep or wait which was just asked for, with this path, is a member of a group.
 */
void probe_member(const struct run *r, uint64_t path);
/* The code waits for a group's member that stands: a wait, a sleep or a call. Under --check: reports that. */
void probe_stands(const sw_ctx *c, const struct open_wait *w);
/* Under --check: reports that the code asks for a recorded value. */
void probe_value(const sw_ctx *c, const char *id, uint64_t path);
/* The function of an attempt is over, and nothing of it is recorded yet. Replaces its result by the first execution's;
 * does not return where the plan has the process die. */
void probe_attempt_over(sw_ctx *c, const step_spec *spec, bool ok, sw_value *value);
/* The next attempt is made in `ms`. A first execution that calls services really waits: a service may need the time. */
void probe_pause(int64_t ms);
/* Returns what sw_now or sw_random outside steps has to return: the first execution's value at this path, or `fresh` if
 * it had none. Inside steps the probe is not asked, so that keys drawn there are seen to differ.
 */
uint64_t probe_draw(const struct run *r, uint64_t path, uint64_t fresh);
/* True: *child is the id that the run which is about to be called had in the first execution, so that its keys, and
 * what is made of its id, are the same. `generation`: of the call (runtime/run/calling.h). */
bool probe_child_id(const struct run *r, uint64_t path, uint32_t generation, run_id *child);
/* The run `child` has been called. */
void probe_child(const struct run *r, uint64_t path, uint32_t generation, const run_id *child);
/* sw_blocking, or work aside (runtime/api/aside.h), begins (1) or ends (-1) a function. */
void probe_count_blocking(int by);

/* Reports the call and starts it, or a canned one with the tape's answer, in place of http_call_start. */
http_call *probe_call(sw_ctx *c, const http_call_options *o, void (*on_change)(void *arg), void *arg);
/* Reports the call's answer. Before http_call_close. */
void probe_call_close(http_call *call);
/* Copies what a stream's reader has consumed. Before http_call_consume. */
void probe_call_consume(http_call *call, size_t len);

/* Reports that `function`, which belongs in a step, was called outside, at `caller`. */
void probe_misuse(const sw_ctx *c, const char *function, const void *caller);

/* Checks the values of --prove-signal (NULL: there are none). False, with a message: one of them is wrong. */
bool probe_check_signals(const char *const *signals, char *error, size_t error_size);
/* Whether signals of --prove-signal are still to be sent to the run: until then no time is over that a signal wins
 * against, since the processes of the proof begin when the machine lets them. Strands that wait are woken by them. */
bool probe_signals_come(const struct run *r);

/* The loop is about to wait. When it waits for nothing but points in time, the clocks move on to the next one; under
 * --check the execution is over then, and the process ends. True: signals were sent, which the end of the turn is to
 * write. */
bool probe_idle(struct home *h);

#endif
