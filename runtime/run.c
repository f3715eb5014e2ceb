#include "runtime/run.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/frames.h"
#include "runtime/idempotency.h"
#include "runtime/json.h"
#include "runtime/letter.h"
#include "runtime/log.h"
#include "runtime/path.h"
#include "runtime/random.h"
#include "runtime/record.h"
#include "runtime/replay.h"
#include "runtime/replay_log.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run_core.h"
#include "runtime/run_request.h"
#include "runtime/step.h"
#include "runtime/strand.h"
#include "runtime/value.h"
#include "runtime/waiter.h"

const char RUN_NOT_DONE[] = "the journal cannot be written; the request was not done";
static const char PARTLY_DONE[] =
    "the journal could not be written after steps of the request had begun: what they did "
    "may have been done, and is not recorded";
const char RUN_RETRY_AFTER_JOURNAL[] = "5";

void run_touch(run *r)
{
    if (!run_is_touched(r)) TAILQ_INSERT_TAIL(&r->home->runs.touched, r, touched);
}

void run_untouch(run *r)
{
    if (!run_is_touched(r)) return;
    TAILQ_REMOVE(&r->home->runs.touched, r, touched);
    r->touched.tqe_prev = NULL;
}

/* What is to be known of an event beside that it happened. */
typedef struct event_detail {
    const failure *failure; /* RUN_ON_RETURNED: why the handler failed; NULL: it did not */
} event_detail;

static void run_post_with(run *r, run_event event, const event_detail *detail);

void run_post(run *r, run_event event) { run_post_with(r, event, NULL); }

/* ---- Making and freeing ---- */

run *run_new(home *h, const endpoint *e)
{
    run *r = h->runs.free;
    if (r)
        h->runs.free = r->next_free;
    else if (!(r = malloc(sizeof *r)))
        return NULL;
    memset(r, 0, sizeof *r);
    r->home = h;
    r->endpoint = e;
    r->plain = e->kind == ENDPOINT_PLAIN;
    r->state = r->plain ? RUN_PLAIN : RUN_NEW;
    r->commit = COMMIT_NONE;
    if (r->plain) LIST_INSERT_HEAD(&h->runs.plain, r, plain_runs);
    arena_init(&r->arena, h->arenas);
    arena_set_limit(&r->arena, (size_t)h->opt->run_state_max * 4);
    arena_init(&r->journal, h->arenas);
    r->counters = r->counters_inline;
    r->counter_slots = RUN_COUNTERS_INLINE;
    r->response.headers_end = &r->response.headers;
    r->outcome_error = "";
    clock_instant now = clock_now(&h->clock);
    r->started_ms = now.wall_ms;
    r->started_epoch = now.epoch;
    if (e->options.timeout_ms > 0) r->deadline_due = clock_wait_for(&now, e->options.timeout_ms);
    counter_add(&h->runs.count, 1);
    return r;
}

void run_free(run *r)
{
    home *h = r->home;
    assert(run_state_is_final(r->state) || r->state == RUN_NEW || r->state == RUN_PLAIN);
    assert(r->strand_count == 0 && !run_commit_is_under_way(r->commit) && !r->waiters && !run_is_touched(r));
    if (r->plain) LIST_REMOVE(r, plain_runs);
    timers_stop(&h->timers, &r->deadline);
    letter_free_all(&r->letters); /* those that are left are on disk, for the next process */
    claim_release(h, r->claim);
    frames_release(r->frames);
    if (r->is_unlisted) TAILQ_REMOVE(&h->runs.unlisted, r, unlisted);
    arena_free(&r->arena);
    arena_free(&r->journal);
    record_drop(r);
    record_release(r);
    r->next_free = h->runs.free;
    h->runs.free = r;
    counter_add(&h->runs.count, -1);
}

void run_set_label(run *r)
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
    msgpack_sbuffer *scratch = &r->home->scratch;
    scratch->size = 0;
    bool packed = run_pack_headers(scratch, r->response.headers);
    *out = (entry){.kind = ENTRY_RESPONSE,
                   .at_ms = clock_wall_ms(),
                   .status = r->response.status,
                   .headers = {scratch->data, scratch->size},
                   .body = {r->response.body.data, r->response.body.len}};
    return packed;
}

static void count_outcome(run *r)
{
    counters *n = &r->home->counters;
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

/* Its last entries; `f` is why it failed, NULL: it did not. */
static void record_end(run *r, const failure *f)
{
    entry response;
    entry ended = {.kind = ENTRY_ENDED,
                   .at_ms = clock_wall_ms(),
                   .status = (int)r->outcome,
                   .error = text_of(r->outcome_error),
                   .causes = causes_of(r, f)};
    count_outcome(r);
    if (response_entry(r, &response) && record_append(r, &response) && record_append(r, &ended)) return;
    log_line(LOG_ERROR, r->id_text, "its response cannot be journaled: out of memory");
    run_lose(r);
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
    static const struct {
        int status;
        entry_ended outcome;
        const char *message;
    } ends[] = {
        [ENTRY_CANCEL_ASKED] = {410, ENTRY_CANCELLED, "the run was cancelled"},
        [ENTRY_CANCEL_GONE] = {410, ENTRY_CANCELLED, "the run was cancelled: its client went away"},
        [ENTRY_CANCEL_LATE] = {504, ENTRY_FAILED, "the run is over its deadline (timeout_ms of its endpoint)"},
        [ENTRY_CANCEL_STALE] = {500, ENTRY_FAILED, "the run was stopped, and not released in time (--retain-stopped)"},
    };
    bool known = r->cancel <= ENTRY_CANCEL_STALE; /* else a later version's */
    entry_cancel why = known ? r->cancel : ENTRY_CANCEL_ASKED;
    failure f = {.kind = FAILURE_FATAL, .status = ends[why].status, .message = ends[why].message};
    set_problem(r, &f);
    r->outcome = ends[why].outcome;
    log_line(LOG_INFO, r->id_text, "%s: %s", r->endpoint->route, f.message);
    record_end(r, NULL);
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

static void refuse_plain(run *r)
{
    if (r->request.exchange)
        waiter_problem(r->request.exchange, 503, "the server stopped before the handler had ended (--drain)", "1");
    r->request.exchange = NULL;
}

static void handler_ended(run *r, bool ok, const failure *f)
{
    if (r->in_pieces) end_pieces(r, ok);
    if (!ok && f->kind == FAILURE_UNWIND) {
        run_post(r, RUN_ON_UNWOUND);
        return;
    }
    if (!ok && !run_has_lost(r)) { /* else it is tried again from what is on disk */
        set_problem(r, f);
        log_line(LOG_WARN, r->plain ? NULL : r->id_text, "%s failed: %s%s%s", r->endpoint->route,
                 f->step ? f->step : "", f->step ? ": " : "", r->outcome_error);
    }
    if (r->response.status == 0) r->response.status = 204;
    run_post_with(r, RUN_ON_RETURNED, &(event_detail){.failure = ok ? NULL : f});
}

void run_main(void *arg)
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

/* ---- Unwinding ---- */

static void unwind(run *r)
{
    for (strand *s = r->strands, *next; s; s = next) {
        next = s->next;
        strand_interrupt(s, INTERRUPT_UNWIND);
    }
    run_touch(r);
}

/* Those that are at work go on to their next step or wait. */
static void cut_waits(run *r)
{
    for (strand *s = r->strands, *next; s; s = next) {
        next = s->next;
        if (s->wait == STRAND_DUE || s->gate_link) strand_interrupt(s, INTERRUPT_UNWIND);
    }
    run_touch(r);
}

void run_drain(run *r)
{
    if (r->home->hurried)
        run_post(r, RUN_ON_HURRY);
    else if (!r->plain) /* no other process goes on with a plain request: until --drain is over it has its time */
        run_post(r, RUN_ON_DRAIN);
}

void run_lose(run *r) { run_post(r, RUN_ON_LOSS); }

bool run_may_go_on(run *r)
{
    if (r->home->draining && r->state == RUN_RUNNING) run_drain(r);
    return !run_unwinds(r);
}

/* ---- Cancelling ---- */

static void record_cancel(run *r)
{
    entry e = {.kind = ENTRY_CANCEL, .at_ms = clock_wall_ms(), .status = (int)r->cancel};
    if (r->replay && replay_cancel(r->replay)) return;
    if (!record_append(r, &e)) log_line(LOG_ERROR, r->id_text, "out of memory: its cancellation is not journaled");
}

/* Whoever loads it, if it leaves memory before it has ended, ends it. */
static void note_cancel(run *r)
{
    if (r->slot) r->slot->cancel = r->cancel;
}

void run_cancel(run *r, entry_cancel why)
{
    assert(why != ENTRY_CANCEL_NONE && !r->plain);
    if (!r->cancel) r->cancel = why;
    run_post(r, RUN_ON_CANCEL);
}

void run_client_gone(run *r)
{
    if (r->slot && r->slot->tie == TIE_CLIENTS && waiter_none(r->waiters)) run_cancel(r, ENTRY_CANCEL_GONE);
}

/* ---- Leaving memory ---- */

static void drop_slot(run *r)
{
    if (!r->slot) return;
    r->slot->run = NULL;
    r->slot->state = SLOT_PARKED;
    slot_remove(r->home, r->slot);
}

static void hand_to_slot(run *r)
{
    slot_keep_letters(r->slot, &r->letters);
    waiter_move(&r->waiters, &r->slot->waiters);
    r->slot->run = NULL;
}

static void park(run *r)
{
    hand_to_slot(r);
    counter_add(&r->home->counters.runs_parked, 1);
    slot_park(r->home, r->slot, r->park_due);
    run_free(r);
}

/* The next process finds it. */
static void leave(run *r)
{
    waiter_dismiss(&r->waiters);
    drop_slot(r);
    run_free(r);
}

/* It is loaded when the gate is open. */
static void reload(run *r)
{
    if (!r->slot) { /* there was no memory for one */
        leave(r);
        return;
    }
    hand_to_slot(r);
    waiter_redirect(&r->slot->waiters); /* nobody knows when the journal takes writes again */
    slot_park(r->home, r->slot, clock_alarm_in(0));
    run_free(r);
}

/* 503 says: ask again; that is only true of what was not done, and will not be. */
static void refuse(run *r)
{
    if (r->attempted)
        waiter_refuse(&r->waiters, 500, PARTLY_DONE);
    else
        waiter_refuse(&r->waiters, 503, RUN_NOT_DONE);
    drop_slot(r);
    run_free(r);
}

/* It may be on disk, and goes on at the next start then. */
static void cut(run *r)
{
    waiter_cut(&r->waiters);
    drop_slot(r);
    run_free(r);
}

static void try_park(run *r)
{
    if (r->busy_count > 0 || r->strand_count == 0 || r->seq_durable < r->seq_next || !r->slot) return;
    clock_alarm due = clock_alarm_none();
    if (r->deadline_due.due_ms > 0) clock_alarm_add(&due, &r->deadline_due);
    for (const strand *s = r->strands; s; s = s->next)
        if (s->wait == STRAND_DUE) clock_alarm_add(&due, &s->until);
    int64_t left_ms = clock_alarm_left_ms(&due);
    if (left_ms == CLOCK_NEVER || left_ms < r->home->opt->park_after_ms) return;
    r->park_due = due;
    run_post(r, RUN_ON_WAITS);
}

/* ---- Its end ---- */

static void answer(run *r)
{
    entry response;
    if (response_entry(r, &response))
        waiter_answer(r->home, &r->waiters, &r->id, &response, r->outcome, r->frames);
    else
        waiter_dismiss(&r->waiters); /* no memory: they ask again at its URLs */
}

static void end(run *r)
{
    home *h = r->home;
    if (r->seq_release > 0) waiter_released(&r->waiters);
    if (r->waiters) answer(r);
    letter_drop(h, &r->letters); /* one that came too late */
    drop_slot(r);
    run_free(r);
}

/* ---- What happens to it ---- */

static void run_act(run *r, run_action action, const event_detail *detail)
{
    switch (action) {
    case RUN_DO_NOTHING:
        return;
    case RUN_DO_CUT_WAITS:
        cut_waits(r);
        return;
    case RUN_DO_UNWIND:
        unwind(r);
        return;
    case RUN_DO_CANCEL:
        note_cancel(r);
        record_cancel(r);
        unwind(r);
        return;
    case RUN_DO_NOTE_CANCEL:
        note_cancel(r);
        return;
    case RUN_DO_CANCEL_NOW:
        note_cancel(r);
        record_cancel(r);
        end_cancelled(r);
        return;
    case RUN_DO_END_CANCELLED:
        end_cancelled(r);
        return;
    case RUN_DO_END:
        record_end(r, detail->failure);
        return;
    case RUN_DO_ANSWER:
        end(r);
        return;
    case RUN_DO_PARK:
        park(r);
        return;
    case RUN_DO_RELOAD:
        reload(r);
        return;
    case RUN_DO_LEAVE:
        leave(r);
        return;
    case RUN_DO_REFUSE:
        refuse(r);
        return;
    case RUN_DO_CUT:
        cut(r);
        return;
    case RUN_DO_ANSWER_PLAIN:
        answer_plain(r);
        return;
    case RUN_DO_REFUSE_PLAIN:
        refuse_plain(r);
        return;
    case RUN_DO_FREE:
        run_free(r);
        return;
    case RUN_DO_STOP:
    case RUN_DO_STAND:
    case RUN_ACTIONS:
        break;
    }
    assert(!"an action of the table");
}

static void run_post_with(run *r, run_event event, const event_detail *detail)
{
    run_transition t = run_next(r->state, event);
    r->state = t.to;
    run_act(r, t.action, detail);
}

/* ---- Turns and commits ---- */

/* Nothing of it runs any more, and nothing of it is under way. */
static bool has_settled(const run *r)
{
    return !run_state_has_handler(r->state) && r->strand_count == 0 && r->open.size == 0 &&
           !run_commit_is_under_way(r->commit);
}

static void settle(run *r) { run_post(r, run_settled(r->commit, r->home->draining)); }

void run_turn_end(run *r)
{
    assert(!run_is_touched(r));
    if (r->plain) {
        if (has_settled(r)) run_post(r, RUN_ON_SETTLED);
        return;
    }
    bool relaxed = r->state == RUN_ENDING && r->endpoint->options.durability == SW_RELAXED;
    if (relaxed && r->waiters && waiter_unkeep(&r->waiters)) answer(r); /* else when it is on disk */
    record_flush(r);
    if (run_is_durable(r) && r->waiters) {
        if (r->waits_long && run_state_has_handler(r->state)) waiter_redirect(&r->waiters);
        waiter_pump(&r->waiters, r->frames);
        if (r->seq_release > 0 && r->seq_durable >= r->seq_release) waiter_released(&r->waiters);
    }
    if (has_settled(r))
        settle(r);
    else if (r->state == RUN_RUNNING)
        try_park(r);
}

static void commit_failed(run *r)
{
    letter_move(&r->sealed_letters, &r->letters);
    log_line(LOG_ERROR, r->id_text, "journal write failed: %s", r->segment.error);
    record_drop(r);
    run_lose(r);
    run_touch(r);
}

static run_commit_event outcome_of(const store_segment *s)
{
    if (!s->error) return COMMIT_ON_DONE;
    return s->outcome == STORE_UNKNOWN ? COMMIT_ON_UNKNOWN : COMMIT_ON_REFUSED;
}

void run_committed(run *r)
{
    bool first = !run_is_durable(r);
    r->commit = run_commit_next(r->commit, outcome_of(&r->segment));
    home_segment_back(r->home);
    record_release(r);
    if (r->segment.error) {
        commit_failed(r);
        return;
    }
    letter_free_all(&r->sealed_letters);
    r->seq_durable = r->seq_sealed;
    claim_release(r->home, r->claim);
    r->claim = NULL;
    if (r->frames) frames_durable(r->frames, r->seq_durable);
    if (r->state == RUN_ENDING && has_settled(r)) {
        if (!run_is_touched(r)) settle(r); /* else a client came to it in this turn: run_turn_end ends it */
        return;
    }
    if (first) {
        if (!r->slot) run_make_findable(r);
        run_client_gone(r);                  /* before that nobody could be sent on */
        if (r->home->draining) run_drain(r); /* the drain has not found it */
    }
    for (strand *s = r->commit_waiters ? r->strands : NULL; s; s = s->next) strand_wake(s);
    run_touch(r);
}
