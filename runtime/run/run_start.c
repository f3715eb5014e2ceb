/* run_start: how a run begins, and how it gets the slot by which others find it. */
#include <assert.h>
#include <stdio.h>

#include "runtime/base/random.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run/record.h"
#include "runtime/run/run_core.h"
#include "runtime/run/run_request.h"
#include "runtime/run/run_span.h"
#include "runtime/run/run_trace.h"
#include "runtime/run/strand.h"

run_id home_next_run_id(home *h, int64_t now_ms)
{
    uint8_t random[10];
    random_bytes(random, sizeof random);
    h->runs.last_id = run_id_next(&h->runs.last_id, now_ms, random, h->index, h->count);
    return h->runs.last_id;
}

static void run_make_id(run *r)
{
    r->id = home_next_run_id(r->task.home, r->started_ms);
    run_id_format(&r->id, r->id_text);
}

static void run_on_deadline(struct timer *t) { run_cancel(t->arg, ENTRY_CANCEL_LATE); }

void run_watch_deadline(run *r)
{
    assert(r->state == RUN_RUNNING);
    if (r->deadline_due.due_ms == 0) return;
    int64_t left_ms = clock_left_ms(&r->deadline_due);
    r->deadline = (struct timer){.fn = run_on_deadline, .arg = r, .has_reserve = true};
    (void)timers_start(&r->task.home->timers, &r->deadline, left_ms > 0 ? (uint64_t)left_ms : 0);
}

void run_unmake(run *r)
{
    assert(r->state == RUN_NEW);
    assert(!r->slot);
    run_untouch(r);
    record_drop(r);
    r->key = NULL;
    run_free(r);
}

/* Puts the run into the list of those without a slot, in the order of their ids. Most runs stay there: they end within
 * their first commit, before anybody asks for them, and never cost a slot. */
static void run_stay_slotless(run *r)
{
    assert(!r->slot);
    assert(!r->is_slotless);
    struct slotless_runs *list = &r->task.home->runs.slotless;
    run *before = TAILQ_LAST(list, slotless_runs);
    /* Mostly the new id is the greatest: but an id begins with the time, and the wall clock may have been set back. */
    while (before && run_id_compare(&before->id, &r->id) > 0) before = TAILQ_PREV(before, slotless_runs, slotless);
    assert(!before || !run_id_equal(&before->id, &r->id));
    if (before)
        TAILQ_INSERT_AFTER(list, before, r, slotless);
    else
        TAILQ_INSERT_HEAD(list, r, slotless);
    r->is_slotless = true;
}

void run_give_slot(run *r)
{
    assert(!r->slot);
    slot *s = slot_add(r->task.home, &r->id);
    if (s) {
        run_take_slot(r, s);
        return;
    }
    run_log(r, LOG_ERROR, "out of memory for a slot: the run cannot be parked yet");
    if (!r->is_slotless) run_stay_slotless(r);
}

void run_take_slot(run *r, slot *s)
{
    home *h = r->task.home;
    assert(!r->slot);
    assert(!s->run);
    assert(run_id_equal(&r->id, &s->id));
    if (r->is_slotless) TAILQ_REMOVE(&h->runs.slotless, r, slotless);
    r->is_slotless = false;
    slot_post(h, s, SLOT_ON_BEGUN);
    s->run = r;
    s->is_known_here = true;
    s->ends_with_clients = r->task.endpoint->options.on_disconnect == SW_CANCEL;
    s->tie = s->ends_with_clients ? TIE_CLIENTS : TIE_NONE;
    r->slot = s;
}

/* Searches from the end: the list is in the order of ids, and those asked for are mostly new. */
run *run_find_slotless(const home *h, const run_id *id)
{
    run *r = TAILQ_FIRST(&h->runs.slotless);
    if (!r || run_id_compare(id, &r->id) < 0) return NULL;
    TAILQ_FOREACH_REVERSE(r, &h->runs.slotless, slotless_runs, slotless)
    {
        int order = run_id_compare(id, &r->id);
        if (order == 0) return r;
        if (order > 0) break;
    }
    return NULL;
}

const run_refusal run_no_room = {"too many requests are in flight (--runs-max)", "1"};
const run_refusal run_no_memory = {"out of memory", "1"};
const run_refusal run_no_stack = {"no room for another coroutine", "1"};
const run_refusal run_too_large = {"this is too large for the memory that a run may have (--run-state-max)", NULL};
static const run_refusal run_queue_full = {"the journal cannot keep up (--journal-queue-max)", "1"};
static const run_refusal run_not_writable = {RUN_NOT_DONE, RUN_RETRY_AFTER_JOURNAL};

/* Returns why no run may begin now; NULL: one may. */
static const run_refusal *run_begin_refusal(const home *h)
{
    if (!slots_have_room(h)) return &run_no_room;
    if (gate_full(h)) return &run_queue_full;
    return gate_writable(h) ? NULL : &run_not_writable;
}

run *run_begin(home *h, const endpoint *work, const run_input *input, const run_origin *origin, run_refusal *why)
{
    const run_refusal *refusal = run_begin_refusal(h);
    run *r = refusal ? NULL : run_new(h, work);
    if (!r) {
        *why = refusal ? *refusal : run_no_memory;
        return NULL;
    }
    run_make_id(r);
    task_set_label(&r->task);
    r->key = origin->key;
    bool taken =
        run_request_take(&r->task, input) && run_trace_begin(&r->task, input) && run_request_record(r, origin->by);
    assert(!taken || r->seq_next == 1); /* `started` is the first entry, and the only one so far */
    if (r->task.arena.is_out) r->lacks_memory = true;
    if (!taken || !strand_start(&r->task, run_main, r)) {
        *why = taken ? run_no_stack : r->lacks_memory ? run_no_memory : run_too_large;
        run_unmake(r);
        return NULL;
    }
    counter_add(&h->counters.runs_started, 1);
    if (r->task.trace) request_span_begin(&r->task);
    run_post(r, RUN_ON_BEGIN);
    run_watch_deadline(r);
    if (h->slots.recovered)
        run_stay_slotless(r);
    else
        run_give_slot(r); /* recovery reads the live table, which may show the run as one that nobody works for */
    return r;
}
