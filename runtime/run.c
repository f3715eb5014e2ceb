#include "runtime/run.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/frames.h"
#include "runtime/json.h"
#include "runtime/log.h"
#include "runtime/loop.h"
#include "runtime/moment.h"
#include "runtime/path.h"
#include "runtime/random.h"
#include "runtime/record.h"
#include "runtime/replay.h"
#include "runtime/replay_log.h"
#include "runtime/run_request.h"
#include "runtime/step.h"
#include "runtime/strand.h"
#include "runtime/value.h"
#include "runtime/waiter.h"

enum { TIMER_EARLY_MS = 2 };

static const char NOT_DONE[] = "the journal cannot be written; the request was not done";
static const char PARTLY_DONE[] =
    "the journal could not be written after steps of the request had begun: what they did "
    "may have been done, and is not recorded";
static const char JOURNAL_RETRY_AFTER[] = "5";

void run_touch(run *r)
{
    if (r->dirty) return;
    r->dirty = true;
    TAILQ_INSERT_TAIL(&r->loop->touched, r, touched);
}

/* ---- Making and freeing ---- */

static run *run_new(sw_loop *l, const endpoint *e)
{
    run *r = l->free_runs;
    if (r)
        l->free_runs = r->next_free;
    else if (!(r = malloc(sizeof *r)))
        return NULL;
    memset(r, 0, sizeof *r);
    r->loop = l;
    r->endpoint = e;
    r->plain = e->kind == ENDPOINT_PLAIN;
    if (r->plain) LIST_INSERT_HEAD(&l->plain_runs, r, plain_runs);
    arena_init(&r->arena, l->arenas);
    arena_set_limit(&r->arena, (size_t)l->app->opt.run_state_max * 4);
    arena_init(&r->journal, l->arenas);
    r->counters = r->counters_inline;
    r->counter_slots = RUN_COUNTERS_INLINE;
    r->response.headers_end = &r->response.headers;
    r->outcome_error = "";
    r->started_ms = loop_now_ms();
    counter_add(&l->runs, 1);
    return r;
}

static void run_free(run *r)
{
    sw_loop *l = r->loop;
    assert(r->strand_count == 0 && !r->in_flight && !r->waiters && !r->dirty);
    if (r->plain) LIST_REMOVE(r, plain_runs);
    timers_stop(&l->timers, &r->deadline);
    claim_release(l, r->claim);
    frames_release(r->frames);
    if (r->is_unlisted) TAILQ_REMOVE(&l->unlisted, r, unlisted);
    arena_free(&r->arena);
    arena_free(&r->journal);
    record_drop(r);
    record_release(r);
    r->next_free = l->free_runs;
    l->free_runs = r;
    counter_add(&l->runs, -1);
}

static void set_label(run *r)
{
    char *end = r->label + sizeof r->label - sizeof " run " - RUN_ID_TEXT;
    char *at = memccpy(r->label, r->endpoint->route, 0, (size_t)(end - r->label));
    at = at ? at - 1 : end;
    *at = 0;
    if (!r->plain) (void)stpcpy(stpcpy(at, " run "), r->id_text);
}

/* ---- The journal's last entries ---- */

static entry_text text_of(const char *text) { return (entry_text){text, strlen(text)}; }

/* False: no memory. */
static bool response_entry(run *r, entry *out)
{
    msgpack_sbuffer *scratch = &r->loop->scratch;
    scratch->size = 0;
    bool packed = run_pack_headers(scratch, r->response.headers);
    *out = (entry){.kind = ENTRY_RESPONSE,
                   .at_ms = loop_now_ms(),
                   .status = r->response.status,
                   .headers = {scratch->data, scratch->size},
                   .body = {r->response.body.data, r->response.body.len}};
    return packed;
}

static void count_outcome(run *r)
{
    loop_counters *n = &r->loop->counters;
    counter_add(r->outcome == ENTRY_SUCCEEDED   ? &n->runs_succeeded
                : r->outcome == ENTRY_CANCELLED ? &n->runs_cancelled
                                                : &n->runs_failed,
                1);
}

/* As they are in the journal; none when memory is out. */
static entry_text causes_of(run *r, const failure *f)
{
    char *bytes = f && f->cause_count ? arena_alloc(&r->arena, f->cause_count * sizeof(uint64_t)) : NULL;
    if (!bytes) return text_of("");
    for (uint32_t i = 0; i < f->cause_count; i++) {
        uint64_t path = htobe64(f->causes[i]);
        memcpy(bytes + i * sizeof path, &path, sizeof path);
    }
    return (entry_text){bytes, f->cause_count * sizeof(uint64_t)};
}

/* `f` is why it failed; NULL: it did not. */
static void record_ended(run *r, const failure *f)
{
    entry response;
    entry ended = {.kind = ENTRY_ENDED,
                   .at_ms = loop_now_ms(),
                   .status = (int)r->outcome,
                   .error = text_of(r->outcome_error),
                   .causes = causes_of(r, f)};
    r->state = RUN_ENDING;
    count_outcome(r);
    if (response_entry(r, &response) && record_append(r, &response) && record_append(r, &ended)) return;
    log_line(LOG_ERROR, r->id_text, "its response cannot be journaled: out of memory");
    r->state = RUN_LEAVING;
    r->leave = LEAVE_ERROR;
}

/* ---- The handler ---- */

static sw_value call_handler(sw_ctx *c, sw_value input)
{
    c->run->endpoint->handler(c);
    return input;
}

static void set_problem(run *r, const failure *f)
{
    arena *a = &r->arena;
    arena_set_limit(a, SIZE_MAX); /* the handler is over, and may have failed because its memory was full */
    sw_bytes detail = {"\"\"", 2}, step = {"null", 4};
    sw_value v = {.type = MSGPACK_OBJECT_STR};
    const char *message = f->message ? f->message : "failed";
    v.via.str.ptr = message;
    v.via.str.size = (uint32_t)strlen(message);
    (void)json_write(a, v, &detail);
    if (f->step) {
        v.via.str.ptr = f->step;
        v.via.str.size = (uint32_t)strlen(f->step);
        (void)json_write(a, v, &step);
    }
    int status = f->status ? f->status : 500;
    char *body = arena_printf(a,
                              "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":%.*s,\"runId\":\"%"
                              "s\",\"step\":%.*s,\"attempts\":%d}\n",
                              http_status_text(status), status, (int)detail.len, detail.data, r->id_text, (int)step.len,
                              step.data, f->attempts);
    run_header *type = arena_alloc(a, sizeof *type);
    if (type) *type = (run_header){"Content-Type", "application/problem+json", NULL};
    r->response =
        (run_response){.status = status, .headers = type, .body = {body ? body : "", body ? strlen(body) : 0}};
    r->outcome = ENTRY_FAILED;
    r->outcome_error = message;
}

/* 410: the result will never be there. 504: it is not there in time. */
static void end_cancelled(run *r)
{
    bool late = r->cancel == ENTRY_CANCEL_LATE;
    failure f = {.kind = FAILURE_FATAL, .status = late ? 504 : 410};
    f.message = late                             ? "the run is over its deadline (timeout_ms of its endpoint)"
                : r->cancel == ENTRY_CANCEL_GONE ? "the run was cancelled: its client went away"
                                                 : "the run was cancelled";
    set_problem(r, &f);
    r->outcome = late ? ENTRY_FAILED : ENTRY_CANCELLED;
    log_line(LOG_INFO, r->id_text, "%s: %s", r->endpoint->route, f.message);
    record_ended(r, NULL);
}

static void answer_plain(run *r)
{
    http_exchange *x = r->request.exchange;
    size_t n = 0;
    if (!x) return; /* it wrote its response piece by piece, or cut it */
    const http_reply_header *headers = run_reply_headers(r, &n);
    r->request.exchange = NULL;
    if (headers)
        http_reply(x, r->response.status, headers, n, r->response.body.data, r->response.body.len);
    else
        waiter_problem(x, 500, "the response's headers are over the run's memory (--run-state-max)", NULL);
}

/* A handler that failed, or was cut short, has not written all: its client must not take that for the whole. */
static void end_pieces(run *r, bool ok)
{
    http_exchange *x = r->request.exchange;
    r->request.exchange = NULL;
    if (!x) return; /* cut by the handler */
    http_exchange_on_gone(x, NULL);
    if (ok)
        http_reply_end(x);
    else
        http_reply_abort(x);
}

static void handler_ended(run *r, bool ok, const failure *f)
{
    if (r->in_pieces) end_pieces(r, ok);
    if (!r->plain && r->leave == LEAVE_ERROR) {
        r->state = RUN_LEAVING;
        return;
    }
    if (!ok && f->kind == FAILURE_UNWIND && r->leave == LEAVE_CANCEL) {
        end_cancelled(r);
        return;
    }
    if (!ok && f->kind == FAILURE_UNWIND) {
        if (r->plain && r->request.exchange)
            waiter_problem(r->request.exchange, 503, "the server stopped before the handler had ended (--drain)", "1");
        r->request.exchange = NULL;
        r->state = r->plain ? RUN_ENDED : RUN_LEAVING;
        return;
    }
    if (!ok) {
        set_problem(r, f);
        log_line(LOG_WARN, r->plain ? NULL : r->id_text, "%s failed: %s%s%s", r->endpoint->route,
                 f->step ? f->step : "", f->step ? ": " : "", r->outcome_error);
    }
    if (r->response.status == 0) r->response.status = 204;
    if (r->plain) {
        answer_plain(r);
        r->state = RUN_ENDED;
        return;
    }
    record_ended(r, ok ? NULL : f);
}

static void handler_main(void *arg)
{
    run *r = arg;
    strand s;
    strand_enter(&s, r);
    sw_ctx c = {
        .kind = CTX_HANDLER, .strand = &s, .run = r, .arena = &r->arena, .path = PATH_ROOT, .label = "", .id = ""};
    sw_value none = {.type = MSGPACK_OBJECT_NIL};
    bool ok = ctx_call(&c, call_handler, none, &none);
    if (ok || s.failure.kind != FAILURE_UNWIND)
        replay_log_end(&c);
    else
        replay_log_drop(&c);
    handler_ended(r, ok, &s.failure);
    strand_exit(&s);
}

/* ---- Starting ---- */

static void refuse(sw_loop *l, http_exchange *x, const char *why, const char *retry_after)
{
    counter_add(&l->counters.requests_refused, 1);
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
    r->id = run_id_next(&r->loop->last_id, r->started_ms, random, r->loop->index, r->loop->count);
    r->loop->last_id = r->id;
    run_id_format(&r->id, r->id_text);
}

static void plain_gone(http_exchange *x) { (void)x; /* the handler learns of it when it writes */ }

static void on_deadline(struct timer *t) { run_cancel(t->arg, ENTRY_CANCEL_LATE); }

static void watch_deadline(run *r)
{
    if (r->deadline_ms == 0) return;
    int64_t left_ms = r->deadline_ms - loop_now_ms();
    r->deadline = (struct timer){.fn = on_deadline, .arg = r};
    if (!timers_start(&r->loop->timers, &r->deadline, left_ms > 0 ? (uint64_t)left_ms : 0))
        log_line(LOG_ERROR, r->id_text, "out of memory: its deadline is not watched");
}

/* Gives up a run that has not begun. */
static void unmake(run *r)
{
    if (r->dirty) TAILQ_REMOVE(&r->loop->touched, r, touched);
    r->dirty = false;
    record_drop(r);
    r->claim = NULL;
    run_free(r);
}

/* Somebody may ask for it by its id from now on. */
static void list(run *r)
{
    if (r->is_unlisted) TAILQ_REMOVE(&r->loop->unlisted, r, unlisted);
    r->is_unlisted = false;
    r->slot = slot_add(r->loop, &r->id);
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
    TAILQ_INSERT_TAIL(&r->loop->unlisted, r, unlisted);
    r->is_unlisted = true;
}

/* A loop's ids ascend. */
slot *run_list(sw_loop *l, const run_id *id)
{
    const run *oldest = TAILQ_FIRST(&l->unlisted);
    if (!oldest || memcmp(id->bytes, oldest->id.bytes, RUN_ID_BYTES) < 0) return NULL;
    run *r;
    TAILQ_FOREACH_REVERSE(r, &l->unlisted, unlisted_runs, unlisted)
    {
        int order = memcmp(id->bytes, r->id.bytes, RUN_ID_BYTES);
        if (order > 0) return NULL;
        if (order < 0) continue;
        list(r);
        return r->slot;
    }
    return NULL;
}

run *run_start(sw_loop *l, const endpoint *e, http_exchange *x, const http_param *params, size_t param_count,
               claim *key)
{
    if (!slot_room(l)) {
        refuse(l, x, "too many requests are in flight (--runs-max)", "1");
        return NULL;
    }
    if (e->kind == ENDPOINT_DURABLE && gate_full(l)) {
        refuse(l, x, "the journal cannot keep up (--journal-queue-max)", "1");
        return NULL;
    }
    if (e->kind == ENDPOINT_DURABLE && !gate_writable(l)) {
        refuse(l, x, NOT_DONE, JOURNAL_RETRY_AFTER);
        return NULL;
    }
    if (e->kind == ENDPOINT_DURABLE && reads_again(http_exchange_request(x))) {
        waiter_problem(x, 409, "a stream is resumed at its streamUrl: this would start the work a second time", NULL);
        return NULL;
    }
    run *r = run_new(l, e);
    if (!r) {
        refuse(l, x, "out of memory", "1");
        return NULL;
    }
    if (!r->plain) make_id(r);
    set_label(r);
    r->claim = key;
    if (e->options.timeout_ms > 0) r->deadline_ms = moment_after(r->started_ms, e->options.timeout_ms);
    if (!run_request_take(r, x, params, param_count) || (!r->plain && !run_request_record(r))) {
        unmake(r);
        refuse(l, x, "the request is too large for the memory a run may have", "1");
        return NULL;
    }
    if (!strand_start(r, handler_main, r)) {
        unmake(r);
        refuse(l, x, "no room for another coroutine", "1");
        return NULL;
    }
    counter_add(&l->counters.runs_started, 1);
    if (r->plain) {
        http_exchange_on_gone(x, plain_gone);
    } else {
        waiter_wish wish = waiter_wish_of(http_exchange_request(x));
        waiter_attach(l, &r->waiters, &wish, x, &r->id);
        watch_deadline(r);
        if (l->recovered)
            leave_unlisted(r);
        else
            list(r); /* the live table is being read, and may show it as one that nobody works for */
    }
    if (!coro_current()) sched_run(&l->sched, 0);
    return r;
}

/* ---- Resuming ---- */

static void restore_frame(void *arg, const entry *e, uint32_t seq)
{
    run *r = arg;
    bool waits = e->kind == ENTRY_SLEEP || e->kind == ENTRY_STEP_FAILED;
    if (waits && e->due_ms - e->at_ms > r->loop->app->opt.redirect_after_ms) r->has_waited = true;
    if (!r->frames && e->kind == ENTRY_CHUNK) r->frames = frames_new(r->loop->arenas);
    if (r->frames && !frames_add(r->frames, e, seq)) r->outcome_error = "out of memory";
}

/* A run whose endpoint is gone can still be cancelled. */
static const char *restore(run *r, const slot *s, const char *data, size_t len)
{
    static const endpoint unknown = {.kind = ENDPOINT_DURABLE, .route = ""};
    const char *error = NULL;
    /* What fitted in the first execution fits again, though it comes in another order and in other pieces. */
    arena_set_limit(&r->arena, (size_t)r->loop->app->opt.run_state_max * 5);
    r->replay = replay_new(&r->journal, data, len, restore_frame, r, &error);
    if (!r->replay) return error;
    if (*r->outcome_error) return r->outcome_error;
    const entry *started = replay_started(r->replay);
    const endpoint *e = app_endpoint(r->loop->app, started->function.data, started->function.len);
    r->endpoint = e ? e : &unknown;
    if (!e && !s->cancel && !replay_cancel(r->replay)) return "the program has no such endpoint any more";
    if (!run_request_restore(r, started)) return "its request cannot be read";
    r->seq_next = r->seq_sealed = r->seq_durable = replay_entries(r->replay);
    r->state_bytes = len;
    r->listed = true;
    if (r->frames) frames_durable(r->frames, r->seq_durable);
    return NULL;
}

static void record_cancel(run *r)
{
    entry e = {.kind = ENTRY_CANCEL, .at_ms = loop_now_ms(), .status = (int)r->cancel};
    if (!record_append(r, &e)) log_line(LOG_ERROR, r->id_text, "out of memory: its cancellation is not journaled");
}

static const char *header_of(const run *r, const char *name)
{
    for (const run_header *h = r->request.headers; h; h = h->next)
        if (strcasecmp(h->name, name) == 0) return h->value;
    return NULL;
}

/* A wait that is over --redirect-after, or a request that did not want to wait: its client got 303 or 202. Whoever has
 * an Idempotency-Key asks again, and after a drain everybody was sent on, or is still connected. */
static bool may_be_sent_on(const run *r)
{
    return r->has_waited || r->loop->app->ended_well || header_of(r, "prefer") || header_of(r, "idempotency-key");
}

/* A journal that says so, somebody who asked while it was not in memory, or its deadline. */
static entry_cancel why_end(const run *r, const slot *s)
{
    entry_cancel journaled = replay_cancel(r->replay);
    if (journaled) return journaled;
    if (s->cancel) return s->cancel;
    return r->deadline_ms > 0 && r->deadline_ms <= loop_now_ms() + TIMER_EARLY_MS ? ENTRY_CANCEL_LATE
                                                                                  : ENTRY_CANCEL_NONE;
}

/* It has nothing to unwind. */
static void end_resumed(run *r, entry_cancel why)
{
    r->cancel = why;
    if (!replay_cancel(r->replay)) record_cancel(r);
    end_cancelled(r);
    run_touch(r);
}

const char *run_resume(sw_loop *l, slot *s, const char *data, size_t len)
{
    static const endpoint loading = {.kind = ENDPOINT_DURABLE, .route = ""};
    run *r = run_new(l, &loading);
    if (!r) return "out of memory";
    r->id = s->id;
    run_id_format(&r->id, r->id_text);
    const char *error = restore(r, s, data, len);
    bool cancels = r->endpoint->options.on_disconnect == SW_CANCEL;
    if (!error) slot_judge_tie(l, s, cancels, cancels && may_be_sent_on(r));
    entry_cancel cancel = error ? ENTRY_CANCEL_NONE : why_end(r, s);
    if (!error) {
        set_label(r);
        if (!cancel && !strand_start(r, handler_main, r)) error = "no room for another coroutine";
    }
    if (error) {
        frames_release(r->frames);
        r->frames = NULL;
        unmake(r);
        return error;
    }
    r->slot = s;
    s->run = r;
    s->state = SLOT_RUNNING;
    waiter_move(&s->waiters, &r->waiters);
    if (r->waiters) run_touch(r); /* streams get what there is, and not only when something new is on disk */
    counter_add(&l->counters.runs_resumed, 1);
    if (cancel)
        end_resumed(r, cancel);
    else
        watch_deadline(r);
    return NULL;
}

/* ---- Leaving memory ---- */

void run_leave_now(run *r, run_leave why)
{
    assert(why != LEAVE_NONE);
    if (r->state != RUN_RUNNING) return;
    r->leave = why;
    bool all = why != LEAVE_DRAIN || r->loop->hurried;
    for (strand *s = r->strands, *next; s; s = next) {
        next = s->next;
        if (all || s->wait == STRAND_DUE || s->gate_link) strand_interrupt(s, INTERRUPT_UNWIND);
    }
    run_touch(r);
}

void run_cancel(run *r, entry_cancel why)
{
    assert(why != ENTRY_CANCEL_NONE && !r->plain);
    if (r->cancel || r->state == RUN_ENDING || r->state == RUN_ENDED) return;
    r->cancel = why;
    /* It may be leaving memory for another reason: then whoever loads it ends it. */
    if (r->slot) r->slot->cancel = why;
    record_cancel(r);
    if (r->leave == LEAVE_NONE || r->leave == LEAVE_PARK || r->leave == LEAVE_DRAIN) run_leave_now(r, LEAVE_CANCEL);
}

void run_client_gone(run *r)
{
    if (r->slot && r->slot->tie == TIE_CLIENTS && waiter_none(r->waiters)) run_cancel(r, ENTRY_CANCEL_GONE);
}

static void keep_waiters(run *r)
{
    waiter_move(&r->waiters, &r->slot->waiters);
    r->slot->run = NULL;
}

/* Nothing of the run is in the journal. 503 says: ask again; that is only true of what was not done. */
static void refuse_waiters(run *r)
{
    assert(r->leave == LEAVE_ERROR);
    if (r->attempted)
        waiter_refuse(&r->waiters, 500, PARTLY_DONE);
    else
        waiter_refuse(&r->waiters, 503, NOT_DONE);
}

static void left(run *r)
{
    sw_loop *l = r->loop;
    assert(r->strand_count == 0 && !r->in_flight);
    slot *s = r->slot;
    if (r->leave == LEAVE_PARK) {
        keep_waiters(r);
        counter_add(&l->counters.runs_parked, 1);
        slot_park(l, s, s->cancel ? 0 : r->park_due_ms);
    } else if (r->leave == LEAVE_ERROR && s && r->seq_durable > 0 && !l->draining) {
        keep_waiters(r);
        waiter_redirect(&s->waiters); /* nobody knows when the journal takes writes again */
        slot_park(l, s, 0);           /* it is loaded when the gate is open */
    } else {
        if (r->leave == LEAVE_ERROR)
            refuse_waiters(r);
        else
            waiter_dismiss(&r->waiters);
        if (s) {
            s->run = NULL;
            s->state = SLOT_PARKED;
            slot_remove(l, s);
        }
    }
    run_free(r);
}

static void try_park(run *r)
{
    if (r->busy_count > 0 || r->strand_count == 0 || r->seq_durable < r->seq_next || !r->slot) return;
    int64_t due_ms = r->deadline_ms > 0 ? r->deadline_ms : INT64_MAX;
    for (const strand *s = r->strands; s; s = s->next)
        if (s->wait == STRAND_DUE && s->due_ms < due_ms) due_ms = s->due_ms;
    if (due_ms == INT64_MAX || due_ms - loop_now_ms() < r->loop->app->opt.park_after_ms) return;
    r->park_due_ms = due_ms;
    run_leave_now(r, LEAVE_PARK);
}

/* ---- Turns and commits ---- */

static void answer(run *r)
{
    entry response;
    if (response_entry(r, &response))
        waiter_answer(r->loop, &r->waiters, &r->id, &response, r->outcome, r->frames);
    else
        waiter_dismiss(&r->waiters); /* no memory: they ask again at its URLs */
}

/* Its last entry is on disk. */
static bool is_over(const run *r)
{
    return r->state == RUN_ENDING && r->strand_count == 0 && r->seq_durable > 0 && r->seq_durable == r->seq_next;
}

static void ended(run *r)
{
    sw_loop *l = r->loop;
    if (r->waiters) answer(r);
    if (r->slot) {
        r->slot->run = NULL;
        slot_remove(l, r->slot);
    }
    run_free(r);
}

void run_turn_end(run *r)
{
    assert(!r->dirty);
    if (r->plain) {
        if (r->state == RUN_ENDED && r->strand_count == 0) run_free(r);
        return;
    }
    bool relaxed = r->state == RUN_ENDING && r->endpoint->options.durability == SW_RELAXED;
    if (relaxed && r->waiters && waiter_unkeep(&r->waiters)) answer(r); /* else when it is on disk */
    bool outstanding = record_flush(r);
    if (r->seq_durable > 0 && r->waiters) {
        if (r->async && r->state == RUN_RUNNING) waiter_redirect(&r->waiters);
        waiter_pump(&r->waiters, r->frames);
    }
    if (outstanding) return;
    if (is_over(r))
        ended(r);
    else if (r->state == RUN_LEAVING && r->strand_count == 0)
        left(r);
    else if (r->state == RUN_RUNNING && !r->leave)
        try_park(r);
}

static void commit_failed(run *r)
{
    log_line(LOG_ERROR, r->id_text, "journal write failed: %s", r->segment.error);
    record_drop(r);
    r->listed = r->seq_durable > 0;
    if (r->state == RUN_ENDING) {
        r->state = RUN_LEAVING;
        r->leave = LEAVE_ERROR;
    } else {
        run_leave_now(r, LEAVE_ERROR);
    }
    run_touch(r);
}

void run_committed(run *r)
{
    assert(r->in_flight);
    r->in_flight = false;
    r->loop->segments_in_flight--;
    record_release(r);
    if (r->segment.error) {
        commit_failed(r);
        return;
    }
    bool first = r->seq_durable == 0;
    r->seq_durable = r->seq_sealed;
    claim_release(r->loop, r->claim);
    r->claim = NULL;
    if (r->frames) frames_durable(r->frames, r->seq_durable);
    if (is_over(r)) {
        if (!r->dirty) ended(r); /* else somebody came to it in this turn: at its end */
        return;
    }
    if (first) {
        if (!r->slot) list(r);
        run_client_gone(r);                                                /* before that nobody could be sent on */
        if (r->loop->draining && !r->leave) run_leave_now(r, LEAVE_DRAIN); /* the drain has not found it */
    }
    for (strand *s = r->commit_waiters ? r->strands : NULL; s; s = s->next) strand_wake(s);
    run_touch(r);
}
