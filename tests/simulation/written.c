/* written: what the disk has, entry by entry, as the ledger notes it. */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/run/step_key.h"
#include "tests/simulation/asked.h"
#include "tests/simulation/bulked.h"
#include "tests/simulation/called.h"
#include "tests/simulation/forked.h"
#include "tests/simulation/program.h"
#include "tests/simulation/promise.h"
#include "tests/simulation/promises.h"
#include "tests/simulation/remarked.h"
#include "tests/simulation/selected.h"
#include "tests/simulation/sent.h"
#include "tests/simulation/signalled.h"
#include "tests/simulation/standing.h"

uint64_t promise_hash(uint64_t hash, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) hash = (hash ^ (unsigned char)data[i]) * 0x100000001b3U;
    return hash;
}

static int number(const run_record *r) { return (int)(r - w->runs); }

/* By its key, which is made of the path. */
int promise_op_at(const run_record *r, uint64_t path)
{
    char key[STEP_KEY_TEXT + 1];
    run_id id;
    if (!run_id_parse(r->id, strlen(r->id), &id)) return NO_OP;
    step_key(&id, path, key);
    for (int i = 0; i < OPS_MAX; i++)
        if (strcmp(r->ops[i].key, key) == 0) return i;
    return NO_OP;
}

/* What is wrong with the entry; NULL: nothing. */
static const char *take_started(run_record *r, const entry *e)
{
    r->job = (int16_t)program_asked(e, "job");
    r->on_disk = true;
    called_started(r, e);
    const job *j = &w->jobs[r->job];
    if (forked_is(e)) return forked_begins(r, e);
    for (unsigned i = 0; i < w->run_count && j->key[0]; i++)
        if (&w->runs[i] != r && w->runs[i].on_disk && !w->runs[i].is_fork && w->runs[i].job == r->job)
            return "its Idempotency-Key has another run on disk";
    return r->entries == 0 ? NULL : "it began twice";
}

/* The nonce out of {"n": ..., ...}. */
static uint64_t nonce_of(const entry_text *value)
{
    msgpack_unpacked u;
    uint64_t nonce = 0;
    msgpack_unpacked_init(&u);
    if (msgpack_unpack_next(&u, value->data, value->len, NULL) == MSGPACK_UNPACK_SUCCESS &&
        u.data.type == MSGPACK_OBJECT_MAP)
        for (uint32_t i = 0; i < u.data.via.map.size; i++) {
            const msgpack_object_kv *kv = &u.data.via.map.ptr[i];
            if (kv->key.via.str.size == 1 && kv->key.via.str.ptr[0] == 'n') nonce = kv->val.via.u64;
        }
    msgpack_unpacked_destroy(&u);
    return nonce;
}

static const char *take_step_done(run_record *r, const entry *e)
{
    int at = promise_op_at(r, e->path);
    uint64_t nonce = nonce_of(&e->value);
    if (at == NO_OP) return "a step is done of which no attempt began";
    if (nonce > w->nonces || w->made[nonce].run != number(r) || w->made[nonce].op != at)
        return "a step has a result that no attempt of it made";
    if (r->ops[at].done || r->ops[at].failed) return "a step is done twice";
    if (remarked_lacks_usage(r, at, e)) return "a step is done before what its attempt has used is on disk";
    r->ops[at].done = true;
    r->ops[at].chunks = 0;
    r->ops[at].nonce = nonce;
    return NULL;
}

static const char *take_step_failed(run_record *r, const entry *e)
{
    int at = promise_op_at(r, e->path);
    if (at == NO_OP) return "a step failed of which no attempt began";
    if (r->ops[at].done || r->ops[at].failed) return "a step failed after its end";
    if (remarked_lacks_usage(r, at, e)) return "an attempt failed before what it has used is on disk";
    r->ops[at].failures++;
    r->ops[at].chunks = 0;
    r->ops[at].failed = e->due_ms == 0;
    w->met[MET_DRAIN_FAILED] += w->drains && e->due_ms > 0;
    r->ops[at].fatal = e->fatal;
    return e->attempt == r->ops[at].failures ? NULL : "an attempt has another number than the one after the last";
}

static uint64_t number_of(const entry_text *value)
{
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    bool ok = msgpack_unpack_next(&u, value->data, value->len, NULL) == MSGPACK_UNPACK_SUCCESS;
    uint64_t n = ok ? u.data.via.u64 : 0;
    msgpack_unpacked_destroy(&u);
    return n;
}

/* Two operations may have been told the same time: their entries come in the order in which they were told. */
static const char *take_value(run_record *r, const entry *e)
{
    if (asked_is(e)) return asked_take(r, e);
    uint64_t value = number_of(&e->value);
    op_state *first = NULL;
    for (op_state *s = r->ops; s < r->ops + OPS_MAX; s++)
        if (!s->chosen && !s->given_up && s->choice == value && (!first || s->drawn < first->drawn)) first = s;
    if (!first) return "a choice is on disk that no handler has seen";
    first->chosen = true;
    first->value_path = e->path;
    return NULL;
}

/* Its id names the operation. */
static const char *take_patch(run_record *r, const entry *e)
{
    char id[8] = "";
    memcpy(id, e->id.data, e->id.len < sizeof id ? e->id.len : 0);
    int at = id[0] == 'p' ? atoi(id + 1) : NO_OP;
    if (at < 0 || at >= OPS_MAX || r->ops[at].drawn == 0 || r->ops[at].choice != e->answer)
        return "an answer of sw_patch is on disk that no handler has seen";
    if (r->ops[at].chosen) return "a patch is answered twice";
    r->ops[at].chosen = true;
    return NULL;
}

/* Of {"op": ..., "attempt": ..., "n": ...}: which of its attempt's chunks it is. */
static const char *take_chunk(run_record *r, const entry *e)
{
    int at = e->id.len > 0 ? promise_op_at(r, e->path) : NO_OP;
    if (e->id.len == 0) return NULL; /* of the handler */
    if (at == NO_OP) return "a chunk of a step of which no attempt began";
    return nonce_of(&e->value) == r->ops[at].chunks++ ? NULL
                                                      : "chunks of an attempt that was cut off are not taken back";
}

static const char *take_rollback(run_record *r, const entry *e)
{
    int at = promise_op_at(r, e->path);
    if (at == NO_OP || r->ops[at].chunks == 0) return "a rollback of no chunks";
    r->ops[at].chunks = 0;
    return NULL;
}

static uint64_t body_hash(const char *body, size_t len) { return promise_hash(0, body, len); }

bool promise_has_ended_with(const run_record *r, unsigned reopened_before, int status, const char *body, size_t len)
{
    for (unsigned i = reopened_before; i <= r->reopened && i <= REOPENS_MAX; i++)
        if (r->ends[i].status == status && r->ends[i].body == body_hash(body, len)) return true;
    return false;
}

static const char *take_response(run_record *r, const entry *e)
{
    r->status = e->status;
    r->body_len = e->body.len < BODY_MAX ? e->body.len : BODY_MAX;
    memcpy(r->body, e->body.data, r->body_len);
    return NULL;
}

/* Where nothing is slow, a cancelled run ends as soon as its code lets go. */
static bool ends_at_once(const run_record *r)
{
    static const int64_t SECOND_NS = 1000000000;
    const epoch_plan *e = &w->plan.epoch[w->epoch];
    bool is_slow = e->event_count > 0 || e->write_ms > 0;
    return r->cancelled_ns == 0 || is_slow || w->steady_ns - r->cancelled_ns < SECOND_NS;
}

/* Of the steps that it names. */
static uint64_t causes_of(const run_record *r, const entry *e)
{
    uint64_t causes = 0, path;
    for (size_t at = 0; at + sizeof path <= e->causes.len; at += sizeof path) {
        memcpy(&path, e->causes.data + at, sizeof path);
        int cause = promise_op_at(r, be64toh(path));
        if (cause != NO_OP) causes |= UINT64_C(1) << cause;
    }
    return causes;
}

static const char *take_cancel(run_record *r, const entry *e)
{
    r->cancelled = true;
    r->cancel_reason = e->status;
    r->cancelled_ns = w->steady_ns;
    return NULL;
}

static const char *take_ended(run_record *r, const entry *e)
{
    r->ended = true;
    r->ended_ms = e->at_ms;
    r->outcome = e->status;
    r->causes = causes_of(r, e);
    r->ends[r->reopened] = (run_end){r->status, body_hash(r->body, r->body_len)};
    w->met[MET_RESUMED] += r->outcome == ENTRY_SUCCEEDED && r->reopened > 0;
    w->met[MET_MENDED] += r->outcome == ENTRY_SUCCEEDED && (r->reasons & 1U << ENTRY_STOP_EXHAUSTED) != 0;
    forked_ended(r);
    selected_ended(r);
    called_ended(r);
    return ends_at_once(r) ? remarked_ended(r, e) : "it was cancelled, and went on";
}

/* What the run does. */
static const char *take_deed(run_record *r, const entry *e)
{
    switch (e->kind) {
    case ENTRY_STARTED:
        return take_started(r, e);
    case ENTRY_STEP_DONE:
        return take_step_done(r, e);
    case ENTRY_STEP_FAILED:
        return take_step_failed(r, e);
    case ENTRY_VALUE:
        return take_value(r, e);
    case ENTRY_PATCH:
        return take_patch(r, e);
    case ENTRY_CHUNK:
        return take_chunk(r, e);
    case ENTRY_ROLLBACK:
        return take_rollback(r, e);
    case ENTRY_WAIT:
    case ENTRY_SIGNAL:
    case ENTRY_TAKEN:
    case ENTRY_TIMED_OUT:
        return signalled_take(r, e);
    case ENTRY_SENT:
        return sent_take(r, e);
    case ENTRY_CALLED:
    case ENTRY_RETURNED:
        return called_take(r, e);
    case ENTRY_WON:
        return selected_won(r, e);
    case ENTRY_ABANDONED:
        return selected_cut(r, e);
    default:
        return NULL;
    }
}

/* What others do with it, how it ends, and what is said of it. */
static const char *take_entry(run_record *r, const entry *e)
{
    if (r->ended && e->kind != ENTRY_REOPENED) return "there is an entry behind its end";
    if ((e->kind == ENTRY_STARTED) != (r->entries == 0)) return "its first entry is not its start";
    if (selected_has_lost(r, e)) return "another member of its group has won, and it is journaled all the same";
    switch (e->kind) {
    case ENTRY_RESPONSE:
        return take_response(r, e);
    case ENTRY_CANCEL:
        return take_cancel(r, e);
    case ENTRY_ENDED:
        return take_ended(r, e);
    case ENTRY_LABEL:
    case ENTRY_STATUS:
    case ENTRY_USAGE:
        return remarked_take(r, e, e->attempt > 0 ? promise_op_at(r, e->path) : NO_OP);
    case ENTRY_STOPPED:
        r->causes = r->stop_causes = causes_of(r, e);
        return standing_stopped(r, e, promise_op_at(r, e->path));
    case ENTRY_RELEASED:
        return standing_released(r, e);
    case ENTRY_REOPENED:
        called_reopened(r, e, causes_of(r, e));
        return standing_reopened(r, e, causes_of(r, e));
    case ENTRY_CRASHED:
        return standing_crashed(r);
    case ENTRY_UNASKED:
        return "the handler did not ask for a result, and its program goes the way that the run has gone";
    case ENTRY_DIFFERS:
        return standing_differs(r, promise_op_at(r, e->path));
    default:
        return take_deed(r, e);
    }
}

/* A cancel comes too late when the handler has ended. */
static bool is_rightly_cancelled(const run_record *r)
{
    unsigned endpoint = w->jobs[r->job].endpoint;
    if (!r->cancelled) return false;
    switch (r->cancel_reason) {
    case ENTRY_CANCEL_LATE:
        return r->status == 504 && r->outcome == ENTRY_FAILED &&
               (endpoint == ENDPOINT_LATE ? standing_is_late(r) : called_is_late(r));
    case ENTRY_CANCEL_STALE:
        return r->status == 500 && r->outcome == ENTRY_FAILED && standing_is_stale(r);
    case ENTRY_CANCEL_GONE:
        return endpoint == ENDPOINT_TIED && !r->is_fork && r->status == 410 && r->outcome == ENTRY_CANCELLED;
    default:
        return (r->asked_to_cancel || r->recalled) && r->status == 410 && r->outcome == ENTRY_CANCELLED;
    }
}

/* A run's answer is what its steps and choices make. */
static bool is_right(const run_record *r)
{
    char reply[PROGRAM_REPLY_MAX];
    if (is_rightly_cancelled(r)) return true;
    if ((r->cancel_promised || r->stop_owed) && !r->cancelled) return false;
    verdict v = program_verdict(r);
    if (v.kind == VERDICT_OPEN) return false;
    /* A run that is cancelled while its handler fails is to end, so it does not stop. */
    bool stops = v.is_exhausted && w->jobs[r->job].endpoint == ENDPOINT_PATIENT && !r->cancelled;
    if (v.kind == VERDICT_FAILS)
        return r->status == 500 && r->outcome == ENTRY_FAILED && !stops && r->causes == v.causes;
    program_reply(reply, (unsigned)r->job, r->salt, v.result);
    return r->outcome == ENTRY_SUCCEEDED && r->status == program_status((unsigned)r->job, v.result) &&
           r->body_len == strlen(reply) && memcmp(r->body, reply, r->body_len) == 0;
}

static void take_entries(run_record *r, const char *data, size_t len)
{
    const char *wrong = NULL;
    bool is_first = r->entries == 0;
    entry e;
    for (size_t at = 0, n; at < len; at += n) {
        n = entry_decode(data + at, len - at, &e, &wrong);
        bool is_copied = is_first && r->is_fork;
        if (n > 0) wrong = is_copied ? forked_take(r, &e) : take_entry(r, &e);
        PROMISE("journal", n > 0 && !wrong, "run %d entry %u (kind %d, %.*s): %s", number(r), r->entries, e.kind,
                (int)e.id.len, e.id.data ? e.id.data : "", wrong);
        world_note("run %d entry %u: kind %d", number(r), r->entries, e.kind);
        standing_note(r, &e);
        forked_note(r, &e);
        r->entries++;
    }
    r->entries_hash = promise_hash(r->entries_hash, data, len);
    if (is_first && r->is_fork) forked_compare(r, data, len);
    PROMISE("answer", !r->ended || is_right(r), "run %d ended with %d %.*s: verdict %d of op %d", number(r), r->status,
            (int)r->body_len, r->body, program_verdict(r).kind, program_verdict(r).op);
}

static run_record *record_of(const run_id *id)
{
    char text[RUN_ID_TEXT + 1];
    run_id_format(id, text);
    return world_run_make(text, -1);
}

void promise_committed(const store_segment *list)
{
    for (const store_segment *s = list; s; s = s->next) {
        if (s->outcome != STORE_DONE || bulked_has(&s->run)) continue;
        run_record *r = record_of(&s->run);
        r->has_got_on = true;
        if (s->len == 0) continue;
        PROMISE("order", s->seq == r->entries, "run %d: a segment from entry %u, the disk has %u", number(r), s->seq,
                r->entries);
        take_entries(r, s->data, s->len);
    }
}

size_t promise_known(const char *data, size_t len, uint32_t entries, uint64_t hash)
{
    const char *error = NULL;
    size_t at = 0, n = 1;
    uint32_t seen = 0;
    entry e;
    for (; seen < entries && at < len && (n = entry_decode(data + at, len - at, &e, &error)) > 0; seen++) at += n;
    return seen == entries && promise_hash(0, data, at) == hash ? at : SIZE_MAX;
}

/* Bytes of the entries that were on disk before. */
static size_t known_bytes(const run_record *r, const char *data, size_t len)
{
    size_t known = promise_known(data, len, r->entries, r->entries_hash);
    PROMISE("nothing lost", known <= len, "run %d has not all of the %u entries that were on disk, or others",
            number(r), r->entries);
    return known;
}

void promise_kept(const run_record *r, const char *data, size_t len) { (void)known_bytes(r, data, len); }

/* Only what a commit of unknown outcome may have left is new. */
void promise_found(const char *run, const char *data, size_t len)
{
    run_record *r = world_run_make(run, -1);
    size_t known = known_bytes(r, data, len);
    take_entries(r, data + known, len - known);
}
