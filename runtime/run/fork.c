#include "runtime/run/fork.h"

#include <assert.h>
#include <msgpack.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "coro/seeded_bug.h"
#include "runtime/base/digest.h"
#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"
#include "runtime/base/log.h"
#include "runtime/base/redact.h"
#include "runtime/base/value.h"
#include "runtime/run/begun.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/function_input.h"
#include "runtime/run/home.h"
#include "runtime/run/letter.h"
#include "runtime/run/omit.h"
#include "runtime/run/program.h"
#include "runtime/run/reopen.h"
#include "runtime/run/run_trace.h"
#include "runtime/run/slot_core.h"
#include "storage/kin.h"

typedef struct forking {
    home *home;
    run_id source, fork;
    uint64_t from;
    bool has_body, is_dry;
    const endpoint *endpoint; /* of the run that was read; NULL: the program has none of that route */
    bool has_key;
    store_key key;     /* with `has_key`; its fingerprint is known when the run has been read */
    store_key_row had; /* with `was_had`: what the store has under the key */
    bool was_had;
    bool was_taken; /* another wish had its fork written under the key meanwhile */
    char by[LETTER_BY_MAX + 1];
    fork_done_fn done;
    void *arg;
    char *body; /* owned; NULL: none, or empty */
    size_t body_len;
    msgpack_sbuffer entries; /* borrowed by the segment, as `kin` */
    kin_pair kin;
    store_segment segment;
} forking;

static const char ASK_AGAIN[] = "1", JOURNAL_LATER[] = "5";
static const char fork_is_deleted[] = "the fork of this Idempotency-Key is being deleted: ask again";

/* Tells what has come of the wish, and frees it. */
static void forking_end(forking *q, const fork_result *result)
{
    q->done(q->arg, result);
    msgpack_sbuffer_destroy(&q->entries);
    free(q->body);
    free(q);
}

static void forking_refuse(forking *q, int status, const char *why)
{
    assert(status >= 400 && why);
    forking_end(q,
                &(fork_result){.status = status, .detail = why, .retry_after = status == 503 ? JOURNAL_LATER : NULL});
}

/* ---- What *started* says of a fork ---- */

/* `started`: of the run that is forked; `input`: of a function; nil: none. */
static bool fork_pack_more(const forking *q, const entry *started, const sw_value *input, msgpack_sbuffer *to)
{
    const trace_parent span = run_trace_find_span(&q->source, started);
    const begun_fork of = {&q->source, q->from, q->home->app->tracer ? &span : NULL};
    msgpack_packer pk;
    msgpack_packer_init(&pk, to, msgpack_sbuffer_write);
    return msgpack_pack_map(&pk, begun_pairs(q->by, &of) + function_input_pairs(input)) == 0 &&
           begun_pack(&pk, q->by, &of) && function_input_pack(&pk, input);
}

/* Whether the fork has that header of the request: not its Idempotency-Key, which leads to the run that is forked, nor
 * what its endpoint leaves out. */
static bool fork_takes_header(const forking *q, sw_value name)
{
    static const char key[] = "idempotency-key";
    if (name.type != MSGPACK_OBJECT_STR) return true;
    bool is_key = name.via.str.size == sizeof key - 1 && strncasecmp(name.via.str.ptr, key, sizeof key - 1) == 0;
    return !is_key && !redact_has_header(q->endpoint->omits, name.via.str.ptr, name.via.str.size);
}

static bool fork_pack_headers(const forking *q, arena *a, entry_text packed, msgpack_sbuffer *to)
{
    sw_value flat = {.type = MSGPACK_OBJECT_ARRAY};
    const char *ignored = NULL;
    if (packed.len > 0 && !value_unpack(a, packed.data, packed.len, &flat, &ignored)) return false;
    if (flat.type != MSGPACK_OBJECT_ARRAY) return false;
    uint32_t kept = 0;
    for (uint32_t i = 0; i + 1 < flat.via.array.size; i += 2) {
        if (!fork_takes_header(q, flat.via.array.ptr[i])) continue;
        flat.via.array.ptr[kept++] = flat.via.array.ptr[i];
        flat.via.array.ptr[kept++] = flat.via.array.ptr[i + 1];
    }
    flat.via.array.size = kept;
    return value_pack(to, flat, SIZE_MAX, &ignored);
}

/* ---- The request ---- */

/* What the fork begins with; the parts that differ from the journal's lie in an arena. */
typedef struct fork_request {
    entry started;  /* that of the run that is forked, with the fork's target and body */
    sw_value input; /* of a function; nil: it is given nothing */
    sw_bytes other; /* the other body, as far as it comes to disk; empty: there is none */
} fork_request;

/* Reads what a function is given: the other body as JSON, or what the run that is forked was given. */
static omit_result request_read_input(const forking *q, arena *a, fork_request *r)
{
    const char *message = NULL;
    r->input = (sw_value){.type = MSGPACK_OBJECT_NIL};
    bool is_read = q->has_body ? q->body_len == 0 || json_read(a, q->body, q->body_len, &r->input, &message)
                               : function_input_read(a, &r->started, &r->input, &message);
    if (is_read) return OMIT_DONE;
    return message == value_no_memory ? OMIT_NO_MEMORY : OMIT_NO_JSON;
}

/* Takes out what the endpoint leaves out: perhaps it did not when the request came. */
static omit_result request_take_out(const endpoint *e, arena *a, fork_request *r)
{
    const entry_text target = r->started.target, body = r->started.body;
    run_input kept = {.value = e->function ? &r->input : NULL,
                      .target = {target.len > 0 ? target.data : "", target.len},
                      .body = {body.data, body.len}};
    omit_result result = omit_take_out(e, a, &kept);
    if (result != OMIT_DONE) return result;
    if (kept.value) r->input = *kept.value;
    r->started.target = (entry_text){kept.target.data, kept.target.len};
    r->started.body = (entry_text){kept.body.data, kept.body.len};
    return OMIT_DONE;
}

static omit_result request_make(const forking *q, arena *a, fork_request *r)
{
    const endpoint *e = q->endpoint;
    const bool is_function = started_is_of_function(&r->started);
    omit_result result = is_function ? request_read_input(q, a, r) : OMIT_DONE;
    if (q->has_body && !is_function) r->started.body = (entry_text){q->body ? q->body : "", q->body_len};
    if (result == OMIT_DONE && e) result = request_take_out(e, a, r);
    if (result != OMIT_DONE || !q->has_body) return result;
    r->other = (sw_bytes){r->started.body.data, r->started.body.len};
    return is_function && !json_write(a, r->input, &r->other) ? OMIT_NO_MEMORY : OMIT_DONE;
}

/* Why the body, which is not JSON, is refused. */
static void fork_refuse_body(forking *q, const fork_request *r)
{
    const bool is_function = started_is_of_function(&r->started);
    if (!q->has_body && is_function)
        forking_refuse(q, 409, "the run's input cannot be read: give the fork another one");
    else if (!q->has_body)
        forking_refuse(
            q, 409, "the run's body is not JSON, and its endpoint leaves parts out by now: give the fork another one");
    else if (is_function)
        forking_refuse(q, 400, "the body is not JSON, as the input of a function has to be: nothing was done");
    else
        forking_refuse(q, 400, omit_no_json);
}

/* False: the wish is refused. */
static bool fork_make_request(forking *q, arena *a, fork_request *r)
{
    omit_result result = request_make(q, a, r);
    if (result == OMIT_NO_JSON)
        fork_refuse_body(q, r);
    else if (result == OMIT_NO_MEMORY)
        forking_refuse(q, 503, store_no_memory);
    return result == OMIT_DONE;
}

/* Whether the input fits a run's memory: there it takes more than on disk, and a fork whose input does not fit could
 * never be loaded. False: the wish is refused. */
static bool fork_check_input(forking *q, const fork_request *r)
{
    const char *ignored = NULL;
    sw_value copy;
    arena a;
    arena_init(&a, q->home->arenas);
    arena_set_limit(&a, task_bytes_max(q->home));
    bool fits = value_copy(&a, r->input, &copy, &ignored), is_out = a.is_out;
    arena_free(&a);
    if (is_out)
        forking_refuse(q, 503, store_no_memory);
    else if (!fits)
        forking_refuse(q, q->has_body ? 413 : 409,
                       "the fork's input is too large for the memory that a run may have (--run-state-max)");
    return fits;
}

/* What the wish asks for, as far as it comes to disk. */
static void fork_make_fingerprint(forking *q, const fork_request *r)
{
    const http_text asked[] = {{(const char *)q->source.bytes, sizeof q->source.bytes},
                               {(const char *)&q->from, sizeof q->from},
                               {q->has_body ? "body" : "", q->has_body ? 4 : 0},
                               {r->other.len > 0 ? r->other.data : "", r->other.len}};
    _Static_assert((int)STORE_KEY_BYTES == (int)DIGEST_BYTES, "digest_texts writes a fingerprint");
    digest_texts(q->key.fingerprint, asked, sizeof asked / sizeof *asked, "the hash of an Idempotency-Key");
}

/* The store has a fork under the key. */
static void forking_replay(forking *q)
{
    if (memcmp(q->had.fingerprint, q->key.fingerprint, STORE_KEY_BYTES) == 0)
        forking_end(q, &(fork_result){.status = 202, .fork = &q->had.run, .is_replayed = true});
    else
        forking_end(q, &(fork_result){.status = 422, .is_other = true, .detail = "the key came with another request"});
}

/* ---- The fork's first segment ---- */

static bool fork_encode_start(forking *q, arena *a, const fork_request *r)
{
    const endpoint *e = q->endpoint;
    msgpack_sbuffer more, headers;
    clock_instant now = clock_now(&q->home->clock);
    entry start = r->started;
    msgpack_sbuffer_init(&more);
    msgpack_sbuffer_init(&headers);
    bool ok = fork_pack_more(q, &r->started, &r->input, &more) && fork_pack_headers(q, a, start.headers, &headers);
    q->fork = home_next_run_id(q->home, now.wall_ms);
    start.at_ms = now.wall_ms;
    start.epoch = now.epoch;
    start.version = entry_text_of(e->options.version ? e->options.version : "");
    start.owner = entry_text_of(store_node(q->home->store));
    start.due_ms = e->options.timeout_ms > 0 ? clock_wait_for(&now, e->options.timeout_ms).due_ms : 0;
    start.more = (entry_text){more.data, more.size};
    start.headers = (entry_text){headers.data, headers.size};
    ok = ok && entry_encode(&q->entries, &start) == 0;
    msgpack_sbuffer_destroy(&more);
    msgpack_sbuffer_destroy(&headers);
    return ok;
}

static bool fork_encode_copies(forking *q, const fork_choice *c, entry_text journal)
{
    entry e;
    for (uint32_t i = 0; i < c->count; i++) {
        const fork_entry *of = &c->entries[i];
        const char *ignored = NULL;
        if (of->fate != FORK_COPIED || (BUG(FORK_DROPS) && of->kind == ENTRY_STEP_DONE)) continue;
        size_t n = entry_decode(journal.data + of->at, of->len, &e, &ignored);
        assert(n == of->len);
        (void)n;
        if (e.began > 0) e.began = fork_began(c, e.began);
        if (entry_encode(&q->entries, &e) != 0) return false;
    }
    return true;
}

static void fork_write(forking *q)
{
    home *h = q->home;
    slot *s = slot_add(h, &q->fork);
    if (!s) {
        forking_refuse(q, 503, store_no_memory);
        return;
    }
    slot_post(h, s, SLOT_ON_REOPENING);
    kin_pair_fill(&q->kin, &q->source, KIN_FORK, &q->fork);
    q->segment = (store_segment){.run = q->fork,
                                 .live = STORE_LIVE_SET,
                                 .retain_ms = -1,
                                 .data = q->entries.data,
                                 .len = q->entries.size,
                                 .key = q->has_key ? &q->key : NULL,
                                 .rows = BUG(FORK_UNLINKED) ? NULL : q->kin.rows,
                                 .tag = FORK_TAG};
    home_send(h, &q->segment);
}

static void fork_write_run(forking *q, arena *a, const fork_choice *c, const fork_request *r, entry_text journal)
{
    if (!gate_writable(q->home))
        forking_refuse(q, 503, "the journal cannot be written: nothing was begun");
    else if (gate_full(q->home))
        forking_refuse(q, 503, "the journal's queue is full (--journal-queue-max): nothing was begun");
    else if (!fork_encode_start(q, a, r) || !fork_encode_copies(q, c, journal))
        forking_refuse(q, 503, store_no_memory);
    else if (q->entries.size > (size_t)q->home->opt->run_state_max)
        forking_refuse(q, 409, "what the fork would begin with is larger than --run-state-max");
    else
        fork_write(q);
}

/* ---- The run that is forked ---- */

static void fork_make(forking *q, arena *a, fork_request *r, entry_text journal)
{
    fork_choice choice;
    fork_refusal refusal;
    const fork_point at = {.path = q->from, .now_ms = clock_wall_ms()};
    /* What the body of the library's own runs says was checked when they began, and says who asked. */
    if (q->endpoint && q->endpoint->builtin) {
        forking_refuse(q, 409, "a bulk action has no forks: ask for another one (POST /_sw/bulk)");
    } else if (!fork_choose(a, journal, &at, &choice, &refusal)) {
        forking_refuse(q, refusal.status, refusal.why);
    } else if (!q->endpoint && !q->is_dry) {
        forking_refuse(q, 409, "this program has no such endpoint: the fork would stand still");
    } else if (!fork_make_request(q, a, r) || !fork_check_input(q, r)) {
        return; /* it is refused, as is the dry one */
    } else if (q->is_dry) {
        forking_end(q, &(fork_result){.status = 200, .choice = &choice, .journal = journal});
    } else {
        if (q->has_key) fork_make_fingerprint(q, r);
        fork_write_run(q, a, &choice, r, journal);
    }
}

/* `journal` is that of the run to be forked, or of the fork that the key had. */
static void fork_decide(forking *q, arena *a, entry_text journal)
{
    const char *ignored = NULL;
    fork_request r = {.input = {.type = MSGPACK_OBJECT_NIL}};
    entry *started = &r.started;
    if (entry_decode(journal.data, journal.len, started, &ignored) == 0 || started->kind != ENTRY_STARTED) {
        forking_refuse(q, 409, "the run's journal does not begin with its start");
        return;
    }
    q->endpoint = app_endpoint(q->home->app, started->function.data, started->function.len);
    if (!q->was_had) {
        fork_make(q, a, &r, journal);
    } else if (!q->has_body || fork_make_request(q, a, &r)) {
        fork_make_fingerprint(q, &r);
        forking_replay(q);
    }
}

static void forking_on_read(void *arg, store_journal *j, size_t count)
{
    forking *q = arg;
    assert(count == 1);
    (void)count;
    if (q->home->draining) {
        forking_refuse(q, 503, "the server is stopping: ask again");
    } else if (j->error) {
        forking_refuse(q, 503, j->error);
    } else if (!j->found && q->was_had) {
        forking_refuse(q, 503, fork_is_deleted);
    } else if (!j->found) {
        forking_refuse(q, 404, "no such run");
    } else {
        arena a;
        arena_init(&a, q->home->arenas);
        fork_decide(q, &a, (entry_text){j->data, j->len});
        arena_free(&a);
    }
}

/* ---- The key ---- */

/* Reads the run that is to be forked; or the fork that the key had, since retention deletes the older run first. */
static void forking_read(forking *q)
{
    const run_id *id = q->was_had ? &q->had.run : &q->source;
    if (!store_load(q->home->port, id, 1, forking_on_read, q)) forking_refuse(q, 503, store_no_memory);
}

static void forking_on_key(void *arg, const store_key_row *row, const char *error)
{
    forking *q = arg;
    q->was_had = row != NULL;
    if (row) q->had = *row;
    if (error)
        forking_refuse(q, 503, error);
    else if (!q->was_taken)
        forking_read(q);
    else if (row)
        forking_replay(q);
    else
        forking_refuse(q, 503, fork_is_deleted);
}

static void forking_look_up(forking *q)
{
    if (!store_find_key(q->home->port, q->key.hash, forking_on_key, q)) forking_refuse(q, 503, store_no_memory);
}

/* ---- On disk ---- */

/* The fork is not on disk, or nobody knows. Of several wishes with one key the first in the journal begins a fork, and
 * the others find it. */
static void fork_failed(forking *q, slot *s)
{
    store_outcome outcome = q->segment.outcome;
    slot_stay_ended(q->home, s, outcome != STORE_UNKNOWN);
    q->was_taken = outcome == STORE_KEY_TAKEN;
    if (q->was_taken)
        forking_look_up(q);
    else
        forking_refuse(q, 503,
                       outcome == STORE_UNKNOWN
                           ? "the journal could not be written, and nobody knows yet whether the fork has begun"
                           : "the journal cannot be written: nothing was begun");
}

void fork_committed(store_segment *segment)
{
    forking *q = (forking *)((char *)segment - offsetof(forking, segment));
    home *h = q->home;
    slot *s = slot_find(&h->slots, &q->fork);
    assert(segment->tag == FORK_TAG);
    assert(s && s->state == SLOT_REOPENING);
    home_segment_back(h);
    if (segment->error) {
        fork_failed(q, s);
        return;
    }
    char id[RUN_ID_TEXT + 1], source[RUN_ID_TEXT + 1];
    run_id_format(&q->fork, id);
    run_id_format(&q->source, source);
    log_line(LOG_INFO, id, "forked from %s by operator %s", source, q->by);
    counter_add(&h->counters.runs_started, 1);
    slot_go_on(h, s);
    forking_end(q, &(fork_result){.status = 202, .fork = &q->fork});
}

/* ---- Asking ---- */

/* NULL: no memory. */
static forking *forking_new(home *h, const fork_wish *wish, fork_done_fn done, void *arg)
{
    forking *q = calloc(1, sizeof *q);
    if (!q) return NULL;
    *q = (forking){.home = h,
                   .source = wish->run,
                   .from = wish->from,
                   .has_body = wish->has_body,
                   .is_dry = wish->is_dry,
                   .has_key = wish->key_hash && !wish->is_dry,
                   .body_len = wish->has_body ? wish->body.len : 0,
                   .done = done,
                   .arg = arg};
    (void)snprintf(q->by, sizeof q->by, "%s", wish->by);
    if (q->has_key) memcpy(q->key.hash, wish->key_hash, sizeof q->key.hash);
    msgpack_sbuffer_init(&q->entries);
    if (q->body_len == 0) return q;
    q->body = malloc(q->body_len);
    if (q->body) {
        memcpy(q->body, wish->body.data, q->body_len);
        return q;
    }
    free(q);
    return NULL;
}

void fork_begin(home *h, const fork_wish *wish, fork_done_fn done, void *arg)
{
    assert(run_id_loop(&wish->run, h->count) == h->index);
    assert(wish->by);
    const fork_result refusal = {.status = 503, .detail = store_no_memory, .retry_after = ASK_AGAIN};
    forking *q = forking_new(h, wish, done, arg);
    if (!q)
        done(arg, &refusal);
    else if (q->has_key)
        forking_look_up(q);
    else
        forking_read(q);
}
