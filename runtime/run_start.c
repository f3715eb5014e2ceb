/* run_start: how a run begins with a request, and who can ask for it. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "runtime/idempotency.h"
#include "runtime/log.h"
#include "runtime/random.h"
#include "runtime/record.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run_core.h"
#include "runtime/run_request.h"
#include "runtime/strand.h"
#include "runtime/waiter.h"

static void refuse(home *h, http_exchange *x, const char *why, const char *retry_after)
{
    counter_add(&h->counters.requests_refused, 1);
    waiter_problem(x, 503, why, retry_after);
}

/* An EventSource that lost its connection asks the same URL again, and says so with the last id it has. */
static bool reads_again(const http_request *q)
{
    const char *last = http_request_header(q, "last-event-id");
    return last && *last && waiter_wish_of(q).kind == WAITER_STREAM;
}

static void make_id(run *r)
{
    uint8_t random[10];
    random_bytes(random, sizeof random);
    r->id = run_id_next(&r->home->runs.last_id, r->started_ms, random, r->home->index, r->home->count);
    r->home->runs.last_id = r->id;
    run_id_format(&r->id, r->id_text);
}

static void plain_gone(http_exchange *x) { (void)x; /* the handler learns of it when it writes */ }

static void on_deadline(struct timer *t) { run_cancel(t->arg, ENTRY_CANCEL_LATE); }

void run_watch_deadline(run *r)
{
    if (r->deadline_due.due_ms == 0) return;
    int64_t left_ms = clock_left_ms(&r->deadline_due);
    r->deadline = (struct timer){.fn = on_deadline, .arg = r};
    if (!timers_start(&r->home->timers, &r->deadline, left_ms > 0 ? (uint64_t)left_ms : 0))
        log_line(LOG_ERROR, r->id_text, "out of memory: its deadline is not watched");
}

void run_unmake(run *r)
{
    if (r->dirty) TAILQ_REMOVE(&r->home->runs.touched, r, touched);
    r->dirty = false;
    record_drop(r);
    r->claim = NULL;
    run_free(r);
}

/* Somebody may ask for it by its id from now on. */
void run_make_findable(run *r)
{
    if (r->is_unlisted) TAILQ_REMOVE(&r->home->runs.unlisted, r, unlisted);
    r->is_unlisted = false;
    r->slot = slot_add(r->home, &r->id);
    if (!r->slot) {
        log_line(LOG_ERROR, r->id_text, "out of memory: it cannot be asked for before the next start");
        return;
    }
    r->slot->run = r;
    r->slot->tie = r->endpoint->options.on_disconnect == SW_CANCEL ? TIE_CLIENTS : TIE_NONE;
}

/* Most requests end within their first commit, before anybody asks for them: they never cost a slot. */
static void leave_unlisted(run *r)
{
    TAILQ_INSERT_TAIL(&r->home->runs.unlisted, r, unlisted);
    r->is_unlisted = true;
}

/* A loop's ids ascend. */
slot *run_list(home *h, const run_id *id)
{
    const run *oldest = TAILQ_FIRST(&h->runs.unlisted);
    if (!oldest || memcmp(id->bytes, oldest->id.bytes, RUN_ID_BYTES) < 0) return NULL;
    run *r;
    TAILQ_FOREACH_REVERSE(r, &h->runs.unlisted, unlisted_runs, unlisted)
    {
        int order = memcmp(id->bytes, r->id.bytes, RUN_ID_BYTES);
        if (order > 0) return NULL;
        if (order < 0) continue;
        run_make_findable(r);
        return r->slot;
    }
    return NULL;
}

run *run_start(home *h, const endpoint *e, http_exchange *x, const http_param *params, size_t param_count, claim *key)
{
    if (!slot_room(h)) {
        refuse(h, x, "too many requests are in flight (--runs-max)", "1");
        return NULL;
    }
    if (e->kind == ENDPOINT_DURABLE && gate_full(h)) {
        refuse(h, x, "the journal cannot keep up (--journal-queue-max)", "1");
        return NULL;
    }
    if (e->kind == ENDPOINT_DURABLE && !gate_writable(h)) {
        refuse(h, x, RUN_NOT_DONE, RUN_RETRY_AFTER_JOURNAL);
        return NULL;
    }
    if (e->kind == ENDPOINT_DURABLE && reads_again(http_exchange_request(x))) {
        waiter_problem(x, 409, "a stream is resumed at its streamUrl: this would start the work a second time", NULL);
        return NULL;
    }
    run *r = run_new(h, e);
    if (!r) {
        refuse(h, x, "out of memory", "1");
        return NULL;
    }
    if (!r->plain) make_id(r);
    run_set_label(r);
    r->claim = key;
    if (!run_request_take(r, x, params, param_count) || (!r->plain && !run_request_record(r))) {
        run_unmake(r);
        refuse(h, x, "the request is too large for the memory a run may have", "1");
        return NULL;
    }
    if (!strand_start(r, run_main, r)) {
        run_unmake(r);
        refuse(h, x, "no room for another coroutine", "1");
        return NULL;
    }
    counter_add(&h->counters.runs_started, 1);
    if (r->plain) {
        http_exchange_on_gone(x, plain_gone);
    } else {
        waiter_wish wish = waiter_wish_of(http_exchange_request(x));
        waiter_attach(h, &r->waiters, &wish, x, &r->id);
        run_watch_deadline(r);
        if (h->slots.recovered)
            leave_unlisted(r);
        else
            run_make_findable(r); /* the live table is being read, and may show it as one that nobody works for */
    }
    if (!coro_current()) sched_run(&h->sched, 0);
    return r;
}
