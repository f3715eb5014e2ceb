#include "runtime/run.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/uri.h"
#include "runtime/frames.h"
#include "runtime/json.h"
#include "runtime/log.h"
#include "runtime/loop.h"
#include "runtime/random.h"
#include "runtime/record.h"
#include "runtime/replay.h"
#include "runtime/step.h"
#include "runtime/strand.h"
#include "runtime/value.h"
#include "runtime/waiter.h"

enum { SPARE_BUFFER_MAX = 65536, RETRY_AFTER_WRITE_ERROR_MS = 5000 };

void run_touch(run *r)
{
    if (r->dirty) return;
    r->dirty = true;
    r->next_dirty = r->loop->touched;
    r->loop->touched = r;
}

/* ---- Making and freeing ---- */

static run *run_new(sw_loop *l, const endpoint *e)
{
    run *r = l->free_runs;
    msgpack_sbuffer open = {0}, sealed = {0};
    if (r) {
        l->free_runs = r->next_free;
        open = r->open;
        sealed = r->sealed;
    } else if (!(r = malloc(sizeof *r))) {
        return NULL;
    }
    memset(r, 0, sizeof *r);
    r->loop = l;
    r->endpoint = e;
    r->plain = e->kind == ENDPOINT_PLAIN;
    r->open = open;
    r->sealed = sealed;
    r->open.size = r->sealed.size = 0;
    arena_init(&r->arena, l->arenas);
    arena_set_limit(&r->arena, l->app->opt.run_state_max * 4);
    r->counters = r->counters_inline;
    r->counter_slots = RUN_COUNTERS_INLINE;
    r->response.headers_end = &r->response.headers;
    r->outcome_error = "";
    r->started_ms = loop_now_ms();
    counter_add(&l->runs, 1);
    return r;
}

static void drop_large(msgpack_sbuffer *b)
{
    if (b->alloc <= SPARE_BUFFER_MAX) return;
    msgpack_sbuffer_destroy(b);
    msgpack_sbuffer_init(b);
}

static void run_free(run *r)
{
    sw_loop *l = r->loop;
    assert(r->strand_count == 0 && !r->in_flight && !r->waiters && !r->dirty);
    frames_release(r->frames);
    arena_free(&r->arena);
    drop_large(&r->open);
    drop_large(&r->sealed);
    r->next_free = l->free_runs;
    l->free_runs = r;
    counter_add(&l->runs, -1);
}

static void set_label(run *r)
{
    (void)snprintf(r->label, sizeof r->label, "%s%s%s", r->endpoint->route, r->plain ? "" : " run ", r->id_text);
}

/* ---- The request ---- */

static const char *const headers_kept[] = {"accept", "content-type", "user-agent", "prefer", "idempotency-key", NULL};

static bool in_list(const char *const *list, const char *name)
{
    for (; list && *list; list++)
        if (strcasecmp(*list, name) == 0) return true;
    return false;
}

static const run_header *copy_headers(run *r, const http_request *q)
{
    run_header *first = NULL, **end = &first;
    for (size_t i = 0; i < q->header_count; i++) {
        const http_header *h = &q->headers[i];
        if (!in_list(headers_kept, h->name.data) && !in_list(r->endpoint->options.journal_headers, h->name.data))
            continue;
        run_header *copy = arena_alloc(&r->arena, sizeof *copy);
        if (!copy) return first;
        copy->name = arena_strndup(&r->arena, h->name.data, h->name.len);
        copy->value = arena_strndup(&r->arena, h->value.data, h->value.len);
        copy->next = NULL;
        if (!copy->name || !copy->value) return first;
        *end = copy;
        end = &copy->next;
    }
    return first;
}

static bool copy_params(run *r, const http_param *params, size_t count)
{
    run_header *all = count ? arena_alloc(&r->arena, count * sizeof *all) : NULL;
    if (count && !all) return false;
    for (size_t i = 0; i < count; i++) {
        all[i].name = arena_strndup(&r->arena, params[i].name, strlen(params[i].name));
        all[i].value = arena_strndup(&r->arena, params[i].value, params[i].value_len);
        all[i].next = i + 1 < count ? &all[i + 1] : NULL;
        if (!all[i].name || !all[i].value) return false;
    }
    r->request.params = all;
    return true;
}

/* The decoded path and where the query begins, from a target in the run's arena. */
static bool split_target(run *r, const char *target, size_t len)
{
    const char *mark = memchr(target, '?', len);
    size_t path_len = mark ? (size_t)(mark - target) : len;
    char *path = arena_alloc(&r->arena, path_len + 1);
    if (!path) return false;
    size_t decoded = 0;
    if (!uri_decode_path(target, path_len, path, &decoded)) return false;
    path[decoded] = 0;
    r->request.target = target;
    r->request.path = path;
    r->request.query = mark ? mark + 1 : "";
    return true;
}

static bool take_request(run *r, http_exchange *x, const http_param *params, size_t count)
{
    const http_request *q = http_exchange_request(x);
    run_request *to = &r->request;
    char *target = arena_strndup(&r->arena, q->target.data, q->target.len);
    to->method = arena_strndup(&r->arena, q->method.data, q->method.len);
    if (!target || !to->method || !split_target(r, target, q->target.len) || !copy_params(r, params, count))
        return false;
    if (r->plain) {
        to->exchange = x;
        to->body = (sw_bytes){q->body.data, q->body.len};
        return true;
    }
    to->headers = copy_headers(r, q);
    to->body.data = arena_strndup(&r->arena, q->body.data ? q->body.data : "", q->body.len);
    to->body.len = q->body.len;
    return to->body.data != NULL;
}

/* ---- The journal's first and last entries ---- */

static bool pack_pairs(msgpack_sbuffer *to, const run_header *list, bool as_map)
{
    uint32_t n = 0;
    for (const run_header *h = list; h; h = h->next) n++;
    msgpack_packer pk;
    msgpack_packer_init(&pk, to, msgpack_sbuffer_write);
    bool ok = (as_map ? msgpack_pack_map(&pk, n) : msgpack_pack_array(&pk, (size_t)n * 2)) == 0;
    for (const run_header *h = list; h && ok; h = h->next) {
        size_t name = strlen(h->name), value = strlen(h->value);
        ok = msgpack_pack_str(&pk, name) == 0 && msgpack_pack_str_body(&pk, h->name, name) == 0 &&
             msgpack_pack_str(&pk, value) == 0 && msgpack_pack_str_body(&pk, h->value, value) == 0;
    }
    return ok;
}

static entry_text text_of(const char *s) { return (entry_text){s, strlen(s)}; }

static bool record_started(run *r)
{
    msgpack_sbuffer *scratch = &r->loop->scratch;
    scratch->size = 0;
    if (!pack_pairs(scratch, r->request.headers, false)) return false;
    size_t headers_len = scratch->size;
    if (!pack_pairs(scratch, r->request.params, true)) return false;
    const sw_endpoint_options *o = &r->endpoint->options;
    store *st = r->loop->app->store;
    entry e = {.kind = ENTRY_STARTED,
               .at_ms = r->started_ms,
               .function = text_of(r->endpoint->route),
               .version = text_of(o->version ? o->version : ""),
               .method = text_of(r->request.method),
               .target = text_of(r->request.target),
               .owner = text_of(store_node(st)),
               .epoch = store_epoch(st),
               .headers = {scratch->data, headers_len},
               .params = {scratch->data + headers_len, scratch->size - headers_len},
               .body = {r->request.body.data, r->request.body.len}};
    return record_append(r, &e);
}

static entry response_entry(run *r)
{
    msgpack_sbuffer *scratch = &r->loop->scratch;
    scratch->size = 0;
    if (!pack_pairs(scratch, r->response.headers, false)) scratch->size = 0;
    return (entry){.kind = ENTRY_RESPONSE,
                   .at_ms = loop_now_ms(),
                   .status = r->response.status,
                   .headers = {scratch->data, scratch->size},
                   .body = {r->response.body.data, r->response.body.len}};
}

static void count_outcome(run *r)
{
    loop_counters *n = &r->loop->counters;
    counter_add(r->outcome == ENTRY_SUCCEEDED ? &n->runs_succeeded : &n->runs_failed, 1);
}

static void record_ended(run *r)
{
    entry response = response_entry(r);
    entry ended = {
        .kind = ENTRY_ENDED, .at_ms = loop_now_ms(), .status = (int)r->outcome, .error = text_of(r->outcome_error)};
    r->state = RUN_ENDING;
    count_outcome(r);
    if (record_append(r, &response) && record_append(r, &ended)) return;
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

static void answer_plain(run *r)
{
    http_exchange *x = r->request.exchange;
    if (!x) return; /* it wrote its response piece by piece, or cut it */
    http_reply_header headers[64];
    size_t n = 0;
    for (const run_header *h = r->response.headers; h && n < 64; h = h->next)
        headers[n++] = (http_reply_header){h->name, h->value};
    r->request.exchange = NULL;
    http_reply(x, r->response.status, headers, n, r->response.body.data, r->response.body.len);
}

static void handler_ended(run *r, bool ok, const failure *f)
{
    if (!r->plain && r->leave == LEAVE_ERROR) {
        r->state = RUN_LEAVING;
        return;
    }
    if (!ok && f->kind == FAILURE_UNWIND) {
        if (r->plain && r->request.exchange) http_reply_abort(r->request.exchange);
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
    record_ended(r);
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
    handler_ended(r, ok, &s.failure);
    strand_exit(&s);
}

/* ---- Starting ---- */

static void refuse(sw_loop *l, http_exchange *x, const char *why)
{
    counter_add(&l->counters.requests_refused, 1);
    waiter_problem(x, 503, why, "1");
}

static waiter_kind kind_of(const http_request *q)
{
    const char *accept = http_request_header(q, "accept"), *prefer = http_request_header(q, "prefer");
    if (accept && strcasestr(accept, "text/event-stream")) return WAITER_STREAM;
    if (prefer && strcasestr(prefer, "respond-async")) return WAITER_ASYNC;
    return WAITER_REQUEST;
}

static void make_id(run *r)
{
    uint8_t random[10];
    random_bytes(random, sizeof random);
    r->id = run_id_make(r->started_ms, random, r->loop->index, r->loop->count);
    run_id_format(&r->id, r->id_text);
}

static void plain_gone(http_exchange *x) { (void)x; /* the handler learns of it when it writes */ }

/* Gives up a run that has not begun. */
static void unmake(run *r)
{
    r->dirty = false;
    if (r->loop->touched == r) r->loop->touched = r->next_dirty;
    r->open.size = 0;
    run_free(r);
}

void run_start(sw_loop *l, const endpoint *e, http_exchange *x, const http_param *params, size_t param_count)
{
    if (l->runs >= (size_t)l->app->opt.runs_max) {
        refuse(l, x, "too many requests are in flight (--runs-max)");
        return;
    }
    if (e->kind == ENDPOINT_DURABLE && store_busy(l->port)) {
        refuse(l, x, "the journal cannot keep up (--journal-queue-max)");
        return;
    }
    run *r = run_new(l, e);
    if (!r) {
        refuse(l, x, "out of memory");
        return;
    }
    if (!r->plain) make_id(r);
    set_label(r);
    waiter_kind kind = r->plain ? WAITER_REQUEST : kind_of(http_exchange_request(x));
    if (!take_request(r, x, params, param_count) || (!r->plain && !record_started(r))) {
        unmake(r);
        refuse(l, x, "the request is too large for the memory a run may have");
        return;
    }
    if (!strand_start(r, handler_main, r)) {
        unmake(r);
        refuse(l, x, "no room for another coroutine");
        return;
    }
    counter_add(&l->counters.runs_started, 1);
    if (r->plain)
        http_exchange_on_gone(x, plain_gone);
    else
        waiter_attach(l, &r->waiters, kind, x, &r->id, 0);
    if (!coro_current()) sched_run(&l->sched, 0);
}

/* ---- Resuming ---- */

static void restore_frame(void *arg, const entry *e, uint32_t seq)
{
    run *r = arg;
    if (!r->frames && e->kind == ENTRY_CHUNK) r->frames = frames_new(r->loop->arenas);
    if (r->frames && !frames_add(r->frames, e, seq)) r->outcome_error = "out of memory";
}

static const run_header *unpack_pairs(run *r, const entry_text *packed)
{
    sw_value v = {.type = MSGPACK_OBJECT_NIL};
    const char *error = NULL;
    if (!value_unpack(&r->arena, packed->data, packed->len, &v, &error)) return NULL;
    bool map = v.type == MSGPACK_OBJECT_MAP;
    uint32_t n = map ? v.via.map.size : v.type == MSGPACK_OBJECT_ARRAY ? v.via.array.size / 2 : 0;
    run_header *all = n ? arena_alloc(&r->arena, n * sizeof *all) : NULL;
    for (uint32_t i = 0; i < n && all; i++) {
        const msgpack_object *name = map ? &v.via.map.ptr[i].key : &v.via.array.ptr[(size_t)2 * i];
        const msgpack_object *value = map ? &v.via.map.ptr[i].val : name + 1;
        if (name->type != MSGPACK_OBJECT_STR || value->type != MSGPACK_OBJECT_STR) return NULL;
        all[i].name = arena_strndup(&r->arena, name->via.str.ptr, name->via.str.size);
        all[i].value = arena_strndup(&r->arena, value->via.str.ptr, value->via.str.size);
        all[i].next = i + 1 < n ? &all[i + 1] : NULL;
        if (!all[i].name || !all[i].value) return NULL;
    }
    return all;
}

static bool restore_request(run *r, const entry *started)
{
    run_request *to = &r->request;
    char *target = arena_strndup(&r->arena, started->target.data, started->target.len);
    to->method = arena_strndup(&r->arena, started->method.data, started->method.len);
    to->body.data = arena_strndup(&r->arena, started->body.data, started->body.len);
    to->body.len = started->body.len;
    to->headers = unpack_pairs(r, &started->headers);
    to->params = unpack_pairs(r, &started->params);
    r->started_ms = started->at_ms;
    return target && to->method && to->body.data && split_target(r, target, started->target.len);
}

static const char *restore(run *r, const char *data, size_t len)
{
    static const endpoint unknown = {.kind = ENDPOINT_DURABLE, .route = ""};
    const char *error = NULL;
    r->replay = replay_new(&r->arena, data, len, restore_frame, r, &error);
    if (!r->replay) return error;
    if (*r->outcome_error) return r->outcome_error;
    const entry *started = replay_started(r->replay);
    const endpoint *e = app_endpoint(r->loop->app, started->function.data, started->function.len);
    r->endpoint = e ? e : &unknown;
    if (!e) return "the program has no such endpoint any more";
    if (!restore_request(r, started)) return "its request cannot be read";
    r->seq_next = r->seq_sealed = r->seq_durable = replay_entries(r->replay);
    r->state_bytes = len;
    r->listed = true;
    if (r->frames) frames_durable(r->frames, r->seq_durable);
    return NULL;
}

const char *run_resume(sw_loop *l, slot *s, const char *data, size_t len)
{
    static const endpoint loading = {.kind = ENDPOINT_DURABLE, .route = ""};
    run *r = run_new(l, &loading);
    if (!r) return "out of memory";
    r->id = s->id;
    run_id_format(&r->id, r->id_text);
    const char *error = restore(r, data, len);
    if (!error) {
        set_label(r);
        if (!strand_start(r, handler_main, r)) error = "no room for another coroutine";
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
    counter_add(&l->counters.runs_resumed, 1);
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
        if (all || s->wait == STRAND_DUE) strand_interrupt(s, INTERRUPT_UNWIND);
    }
    run_touch(r);
}

static void keep_waiters(run *r)
{
    waiter_move(&r->waiters, &r->slot->waiters);
    r->slot->run = NULL;
}

static void left(run *r)
{
    sw_loop *l = r->loop;
    assert(r->strand_count == 0 && !r->in_flight);
    slot *s = r->slot;
    if (r->leave == LEAVE_PARK) {
        keep_waiters(r);
        counter_add(&l->counters.runs_parked, 1);
        slot_park(l, s, r->park_due_ms);
    } else if (r->leave == LEAVE_ERROR && s && !l->draining) {
        keep_waiters(r);
        slot_park(l, s, loop_now_ms() + RETRY_AFTER_WRITE_ERROR_MS);
    } else {
        if (r->leave == LEAVE_ERROR)
            waiter_refuse(&r->waiters, 503, "the journal cannot be written; the request was not done");
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
    int64_t due_ms = INT64_MAX;
    for (const strand *s = r->strands; s; s = s->next)
        if (s->wait == STRAND_DUE && s->due_ms < due_ms) due_ms = s->due_ms;
    if (due_ms == INT64_MAX || due_ms - loop_now_ms() < r->loop->app->opt.park_after_ms) return;
    r->park_due_ms = due_ms;
    run_leave_now(r, LEAVE_PARK);
}

/* ---- Turns and commits ---- */

static void answer(run *r)
{
    entry response = response_entry(r);
    waiter_answer(r->loop, &r->waiters, &r->id, &response, r->outcome, r->frames);
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
    if (r->state == RUN_ENDING && r->endpoint->options.durability == SW_RELAXED && r->waiters) answer(r);
    bool outstanding = record_flush(r);
    if (r->seq_durable > 0 && r->waiters) {
        if (r->async && r->state == RUN_RUNNING) waiter_redirect(&r->waiters);
        waiter_pump(&r->waiters, r->frames);
    }
    if (outstanding) return;
    if (r->state == RUN_LEAVING && r->strand_count == 0)
        left(r);
    else if (r->state == RUN_RUNNING && !r->leave)
        try_park(r);
}

static void commit_failed(run *r)
{
    log_line(LOG_ERROR, r->id_text, "journal write failed: %s", r->segment.error);
    r->open.size = 0;
    r->listed = r->slot != NULL;
    if (r->state == RUN_ENDING) {
        r->state = RUN_LEAVING;
        r->leave = LEAVE_ERROR;
    } else {
        run_leave_now(r, LEAVE_ERROR);
    }
    run_touch(r);
}

/* Somebody may ask for it by its id from now on. */
static void list(run *r)
{
    r->slot = slot_add(r->loop, &r->id);
    if (r->slot)
        r->slot->run = r;
    else
        log_line(LOG_ERROR, r->id_text, "out of memory: it cannot be asked for before the next start");
}

void run_committed(run *r)
{
    assert(r->in_flight);
    r->in_flight = false;
    r->loop->segments_in_flight--;
    r->sealed.size = 0;
    if (r->segment.error) {
        commit_failed(r);
        return;
    }
    r->seq_durable = r->seq_sealed;
    if (r->frames) frames_durable(r->frames, r->seq_durable);
    if (r->state == RUN_ENDING && r->seq_durable == r->seq_next && r->strand_count == 0) {
        ended(r);
        return;
    }
    if (!r->slot) list(r);
    for (strand *s = r->commit_waiters ? r->strands : NULL; s; s = s->next) strand_wake(s);
    run_touch(r);
}
