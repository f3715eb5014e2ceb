#include "runtime/probe/probe.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/value.h"
#include "runtime/probe/probe_core.h"
#include "runtime/probe/probe_runs.h"
#include "runtime/run/ctx.h"
#include "runtime/run/home.h"
#include "runtime/run/record.h"
#include "runtime/run/run.h"
#include "runtime/run/strand.h"

bool probe_on;
probe_plan probe_active_plan;

static uint64_t pause_until_us; /* steady clock: until then clocks are not moved on */
static int blocking_jobs;       /* functions of sw_blocking, and work aside, under way */

void probe_begin(const probe_plan *plan)
{
    assert(!probe_on);
    assert(plan->tape);
    assert((plan->death_path != 0) == (plan->death_attempt > 0));
    assert(!plan->stays || plan->death_path != 0);
    assert(!plan->is_first || plan->crash == 0);
    probe_active_plan = *plan;
    probe_on = true;
    outside_watch(plan->crash);
}

fact probe_fact(const sw_ctx *c, fact_kind kind)
{
    bool in_step = c->kind == CTX_STEP;
    assert(!in_step || c->attempt > 0);
    return (fact){.kind = kind,
                  .run = probe_lineage(&c->run->id),
                  .path = c->path,
                  .attempt = in_step ? (uint32_t)c->attempt : 0,
                  .id = probe_text(in_step ? c->id : ""),
                  .label = probe_text(in_step ? c->branch_label : c->label)};
}

/* ---- Steps ---- */

void probe_step(const sw_ctx *c, const step_spec *spec)
{
    msgpack_sbuffer *scratch = &c->task->home->scratch;
    const char *ignored = NULL;
    scratch->size = 0;
    if (!value_pack(scratch, spec->input, STEP_INPUT_JOURNALED_MAX, &ignored)) scratch->size = 0;
    fact_tell(&(fact){.kind = FACT_STEP,
                      .run = probe_lineage(&c->run->id),
                      .path = spec->path,
                      .hash = spec->input_hash,
                      .id = probe_text(spec->id),
                      .label = probe_text(spec->branch_label),
                      .data = {scratch->data, scratch->size}});
}

/* What the code asks for that is no step. */
static fact probe_asked(const sw_ctx *c, const char *id, uint64_t path, uint32_t flags)
{
    return (fact){.kind = FACT_STEP,
                  .run = probe_lineage(&c->run->id),
                  .path = path,
                  .flags = flags,
                  .id = probe_text(id),
                  .label = probe_text(c->label)};
}

static void probe_tell_asked(const sw_ctx *c, const char *id, uint64_t path, uint32_t flags)
{
    const fact f = probe_asked(c, id, path, flags);
    fact_tell(&f);
}

void probe_sleep(const sw_ctx *c, const char *id, uint64_t path) { probe_tell_asked(c, id, path, FACT_SLEEP); }

void probe_wait(const sw_ctx *c, const char *id, uint64_t path) { probe_tell_asked(c, id, path, FACT_WAIT); }

void probe_choice(const sw_ctx *c, const char *id, uint64_t path) { probe_tell_asked(c, id, path, FACT_CHOICE); }

void probe_call_asked(const sw_ctx *c, const char *id, uint64_t path, sw_value input)
{
    msgpack_sbuffer *scratch = &c->task->home->scratch;
    const char *ignored = NULL;
    uint64_t bytes = 0;
    fact f = probe_asked(c, id, path, FACT_WAIT | FACT_CALLED);
    f.hash = value_hash(scratch, input, &bytes);
    scratch->size = 0;
    if (!value_pack(scratch, input, STEP_INPUT_JOURNALED_MAX, &ignored)) scratch->size = 0;
    f.data = (entry_text){scratch->data, scratch->size};
    fact_tell(&f);
}

void probe_attempt(const run *r, const step_spec *spec, int number)
{
    assert(number > 0);
    fact_tell(&(fact){.kind = FACT_ATTEMPT,
                      .run = probe_lineage(&r->id),
                      .path = spec->path,
                      .attempt = (uint32_t)number,
                      .flags = spec->options.sync ? FACT_SYNC : 0,
                      .id = probe_text(spec->id),
                      .label = probe_text(spec->branch_label)});
}

/* Reports that the code comes to something that has to begin, and waits until the strand is to be unwound. */
static void probe_hold(strand *s, fact f)
{
    assert(probe_active_plan.checks);
    f.kind = FACT_HELD;
    fact_tell(&f);
    while (strand_suspend(s)) continue;
}

bool probe_holds_attempt(strand *s, const step_spec *spec, uint32_t failed)
{
    if (!probe_active_plan.checks) return false;
    probe_hold(s, (fact){.run = probe_lineage(&s->run->id),
                         .path = spec->path,
                         .attempt = failed + 1,
                         .id = probe_text(spec->id),
                         .label = probe_text(spec->branch_label)});
    return true;
}

bool probe_passes_sleep(sw_ctx *c, const char *id, uint64_t path, bool is_recorded)
{
    if (!probe_active_plan.checks) return false;
    if (is_recorded) return true;
    probe_hold(c->strand, probe_asked(c, id, path, FACT_SLEEP));
    ctx_raise_interrupt(c);
}

static void probe_hold_asked(sw_ctx *c, const char *id, uint64_t path, uint32_t flags)
{
    if (!probe_active_plan.checks) return;
    probe_hold(c->strand, probe_asked(c, id, path, flags));
    ctx_raise_interrupt(c);
}

void probe_hold_wait(sw_ctx *c, const char *id, uint64_t path) { probe_hold_asked(c, id, path, FACT_WAIT); }

void probe_hold_call(sw_ctx *c, const char *id, uint64_t path)
{
    probe_hold_asked(c, id, path, FACT_WAIT | FACT_CALLED);
}

void probe_sent(sw_ctx *c, const char *id, uint64_t path, bool is_recorded)
{
    const fact f = probe_asked(c, id, path, FACT_SENT);
    fact_tell(&f);
    if (!probe_active_plan.checks || is_recorded) return;
    probe_hold(c->strand, f);
    ctx_raise_interrupt(c);
}

void probe_member(const run *r, uint64_t path)
{
    if (probe_active_plan.checks) fact_tell(&(fact){.kind = FACT_MEMBER, .run = probe_lineage(&r->id), .path = path});
}

void probe_stands(const sw_ctx *c, const open_wait *w)
{
    if (!probe_active_plan.checks) return;
    fact f = probe_asked(c, w->id, w->path, w->is_call ? FACT_WAIT | FACT_CALLED : w->signal ? FACT_WAIT : FACT_SLEEP);
    f.kind = FACT_HELD;
    fact_tell(&f);
}

void probe_value(const sw_ctx *c, const char *id, uint64_t path)
{
    if (!probe_active_plan.checks) return;
    probe_tell_asked(c, id, path, FACT_DRAWN);
}

/* Lets the machine die with all entries before the attempt, and its chunks, on disk, and its result not. Returns when
 * the run leaves memory instead. */
static void probe_die(strand *s)
{
    assert(!probe_active_plan.is_first);
    if (!record_wait(s, s->run->seq_next)) return;
    if (probe_active_plan.stays) {
        probe_active_plan.death_path = 0; /* once */
        run_lose(s->run);
        return;
    }
    fact_tell(&(fact){.kind = FACT_DIED});
    fact_exit(0);
}

void probe_attempt_over(sw_ctx *c, const step_spec *spec, bool ok, sw_value *value)
{
    const char *error = NULL;
    assert(c->kind == CTX_STEP);
    assert(c->path == spec->path);
    if (!ok && c->strand->failure.kind == FAILURE_UNWIND) return;
    const uint64_t lineage = probe_lineage(&c->run->id);
    bool dies = probe_active_plan.death_path == spec->path && probe_active_plan.death_attempt == (uint32_t)c->attempt &&
                probe_active_plan.death_run == lineage;
    if (dies) probe_die(c->strand);
    if (!ok || probe_active_plan.is_first) return;
    const fact *done =
        tape_find(probe_active_plan.tape, &(fact){.kind = FACT_DONE, .run = lineage, .path = spec->path});
    if (done) (void)value_unpack(&c->task->arena, done->data.data, done->data.len, value, &error);
}

void probe_pause(int64_t ms)
{
    if (!probe_active_plan.may_call || ms <= 0) return;
    uint64_t until_us = clock_steady_us() + (uint64_t)ms * 1000;
    if (until_us > pause_until_us) pause_until_us = until_us;
}

/* ---- Values ---- */

uint64_t probe_draw(const run *r, uint64_t path, uint64_t fresh)
{
    const fact wanted = {.kind = FACT_VALUE, .run = probe_lineage(&r->id), .path = path};
    const fact *had = probe_active_plan.is_first ? NULL : tape_find(probe_active_plan.tape, &wanted);
    return had ? had->hash : fresh;
}

bool probe_child_id(const run *r, uint64_t path, uint32_t generation, run_id *child)
{
    const uint64_t lineage = lineage_of_call(probe_lineage(&r->id), path, generation);
    const fact wanted = {.kind = FACT_RUN, .run = lineage};
    const fact *had = probe_active_plan.is_first ? NULL : tape_find(probe_active_plan.tape, &wanted);
    if (had) memcpy(child->bytes, had->id.data, sizeof child->bytes);
    return had != NULL;
}

void probe_child(const run *r, uint64_t path, uint32_t generation, const run_id *child)
{
    probe_know_run(child, lineage_of_call(probe_lineage(&r->id), path, generation));
}

/* ---- Time ---- */

void probe_count_blocking(int by)
{
    assert(by == 1 || by == -1);
    blocking_jobs += by;
    assert(blocking_jobs >= 0);
}

static bool home_is_idle(home *h)
{
    bool busy = h->sched.ready > 0 || !TAILQ_EMPTY(&h->runs.touched) || h->outbox.in_flight > 0 || blocking_jobs > 0 ||
                h->slots.loading > 0 || store_reads(h->port) > 0 || http_client_active(h->client) > 0;
    return !busy && (h->runs.count > 0 || h->slots.count > 0) && clock_steady_us() >= pause_until_us;
}

/* Whether a run is parked that no time wakes. */
static bool home_waits_for_signal(const home *h)
{
    for (size_t i = 0; i < h->slots.bucket_count; i++)
        for (const slot *s = h->slots.buckets[i]; s; s = s->next)
            if (s->state == SLOT_PARKED && !timer_is_started(&s->due)) return true;
    return false;
}

/* Whether nothing happens any more before a stopped run ends for not having been released, which nobody does here. */
static bool home_stands(const home *h)
{
    if (h->slots.stopped == 0) return false;
    if (h->timers.count == 0) return true;
    for (size_t i = 0; i < h->slots.bucket_count; i++)
        for (const slot *s = h->slots.buckets[i]; s; s = s->next)
            if (s->state == SLOT_STOPPED && &s->due == h->timers.heap[1]) return true;
    return false;
}

static __attribute__((noreturn)) void probe_end_standing(void)
{
    fact_tell(&(fact){.kind = FACT_STANDS});
    fact_exit(0);
}

static __attribute__((noreturn)) void probe_end_waiting(void)
{
    static const char why[] = "a run waits for a signal, without a timeout, and nobody sends it here:"
                              " give it with --prove-signal NAME=JSON";
    fact_tell(&(fact){.kind = FACT_BROKEN, .text = {why, sizeof why - 1}});
    fact_exit(1);
}

bool probe_idle(home *h)
{
    assert(probe_on);
    if (!home_is_idle(h)) return false;
    bool has_come = h->counters.runs_resumed > 0 || h->slots.stopped > 0;
    if (probe_active_plan.checks && has_come) fact_exit(0);
    if (probe_send_signals(h)) return true;
    if (home_stands(h)) probe_end_standing();
    if (!timers_skip(&h->timers) && home_waits_for_signal(h)) probe_end_waiting();
    return false;
}
