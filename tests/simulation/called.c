#include "tests/simulation/called.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/run/called_by.h"
#include "runtime/run/step_key.h"
#include "storage/memory/memory_core.h"
#include "tests/simulation/program.h"
#include "tests/simulation/promise.h"
#include "tests/simulation/promises.h"

enum { RETURN_KIND = 6, ROUNDING_MS = 5, BEHIND_PARENT_MS = 1000 };
static const uint64_t ARRIVAL_OF_RUNS = UINT64_C(1) << 63; /* then 31 bits of the caller's generation, and 32 of: */
enum { OF_REOPEN = 0, OF_RECALL = 1 };                     /* or of the call that has a result */

static int number(const run_record *r) { return (int)(r - w->runs); }
static const op *op_of(const run_record *r, int at) { return &w->jobs[r->job].ops[at]; }
static run_record *child_of(const run_record *r, int at) { return &w->runs[r->ops[at].child]; }

/* The call has no result yet. */
static bool is_open(const run_record *r, int at)
{
    const op_state *s = &r->ops[at];
    return op_of(r, at)->kind == OP_CALL && s->called && !s->done && !s->failed;
}

/* ---- What handlers see ---- */

void called_told(const run_record *r, int at, bool ok, uint64_t result)
{
    const op_state *s = &r->ops[at];
    const run_record *c = s->called ? child_of(r, at) : NULL;
    world_note("run %d op %d has called: %d %llx", number(r), at, ok, (unsigned long long)result);
    bool is_its = c && c->end_count > 0 && (!ok || c->has_succeeded);
    bool is_same = is_its && (!ok || c->result == result) && (ok ? !s->failed : !s->done);
    PROMISE("as the run that was called", is_same, "run %d op %d was told %d, %llx by run %d, which has ended %d, %llx",
            number(r), at, ok, (unsigned long long)result, c ? number(c) : -1, c ? c->has_succeeded : -1,
            (unsigned long long)(c ? c->result : 0));
}

void called_named(const run_record *r, int at, const char *id)
{
    const op_state *s = &r->ops[at];
    PROMISE("as the run that was called", !s->called || strcmp(child_of(r, at)->id, id) == 0,
            "run %d op %d has called run %s, and is told of %s", number(r), at, child_of(r, at)->id, id);
}

/* The operation may wake its run. */
static bool may_wake(const run_record *r, int at)
{
    const op_state *s = &r->ops[at];
    op_kind kind = op_of(r, at)->kind;
    bool sleeps = (kind == OP_SLEEP || kind == OP_UNTIL) && s->slept_ns != 0; /* or has slept */
    return s->waits || sleeps || s->open > 0 || (s->failures > 0 && !s->done && !s->failed);
}

/* It waits for all results of one group of calls, or of one call, and nobody has anything else for it. */
static bool waits_for_all(const run_record *r)
{
    int first = NO_OP;
    for (int at = 0; at < (int)w->jobs[r->job].op_count; at++) {
        if (may_wake(r, at)) return false;
        if (!is_open(r, at)) continue;
        int16_t parent = op_of(r, at)->parent;
        bool is_other = first != NO_OP && (parent == NO_OP || parent != op_of(r, first)->parent);
        if (is_other || (parent != NO_OP && op_of(r, parent)->any)) return false;
        first = at;
    }
    bool is_asked = r->asked_to_stop > 0 || r->asked_to_release || r->asked_to_cancel || r->asked_to_reopen;
    return first != NO_OP && r->due_ms == 0 && !is_asked && w->plan.epoch[w->epoch].event_count == 0;
}

void called_leaves(run_record *r)
{
    r->left_in = waits_for_all(r) ? w->epoch + 1 : 0;
    r->left_entries = r->entries;
    r->left_ns = w->steady_ns;
}

/* Somebody has asked something of the run, or of one of its job, which may need it in memory. */
static bool is_asked_for(const run_record *r)
{
    for (unsigned i = 0; i <= CLIENTS_MAX; i++)
        if (w->clients[i].job == r->job && w->clients[i].asked_ns >= r->left_ns) return true;
    return false;
}

/* After a start nobody knows how many results the run waits for: then the first one may wake it. */
static void look_at_waking(const run_record *r)
{
    unsigned early = 0;
    if (r->left_in != w->epoch + 1 || r->left_entries != r->entries || !waits_for_all(r)) return;
    if (is_asked_for(r) || r->reopened > 0) return;
    for (int at = 0; at < (int)w->jobs[r->job].op_count; at++)
        /* Such a one was resumed by itself, and tells that, too. */
        if (r->ops[at].called && child_of(r, at)->end_count > 1) return;
    for (int at = 0; at < (int)w->jobs[r->job].op_count; at++)
        early += is_open(r, at) && child_of(r, at)->end_count == 0;
    w->met[MET_WOKEN]++;
    PROMISE("woken once", early == 0, "run %d begins, and %u of the runs that it waits for have not ended", number(r),
            early);
}

void called_begins(const run_record *r)
{
    int64_t wall_ms = w->steady_ns / 1000000 + w->ahead_ms;
    PROMISE("not before its time", r->begins_ms <= wall_ms + ROUNDING_MS || w->plan.sets_clock,
            "run %d begins %lld ms too early", number(r), (long long)(r->begins_ms - wall_ms));
    look_at_waking(r);
}

/* ---- Entries ---- */

int called_op(const run_record *r, const entry *e)
{
    char id[8] = "";
    memcpy(id, e->id.data, e->id.len < sizeof id ? e->id.len : 0);
    int at = id[0] == 'c' ? atoi(id + 1) : NO_OP;
    return at >= 0 && at < (int)w->jobs[r->job].op_count && op_of(r, at)->kind == OP_CALL ? at : NO_OP;
}

static run_record *child_named(const entry *e, int of_job)
{
    run_id id;
    char text[RUN_ID_TEXT + 1];
    if (e->child.len != sizeof id.bytes) return NULL;
    memcpy(id.bytes, e->child.data, sizeof id.bytes);
    run_id_format(&id, text);
    return world_run_make(text, of_job);
}

/* The causes of an end name steps and calls by their paths. */
static void set_key(run_record *r, int at, uint64_t path)
{
    run_id id;
    if (!run_id_parse(r->id, strlen(r->id), &id)) abort();
    step_key(&id, path, r->ops[at].key);
}

/* Its caller, which cancels it then, is to end for its own deadline. */
static bool is_in_time(const run_record *r, const entry *e)
{
    if (r->due_ms == 0 || e->detached || w->plan.sets_clock) return true;
    return e->due_ms > 0 && e->due_ms <= r->due_ms + r->stood_ms + BEHIND_PARENT_MS + ROUNDING_MS;
}

static const char *take_called(run_record *r, int at, const entry *e)
{
    op_state *s = &r->ops[at];
    run_record *c = child_named(e, op_of(r, at)->calls_job);
    if (s->called) return "a function is called twice";
    if (!c || c->caller || c == r) return "it has called a run that was called before";
    if (e->attempt != s->generation) return "a call is in another generation";
    if (e->detached != op_of(r, at)->detached) return "it waits for what nobody waits for, or the other way round";
    if (!is_in_time(r, e)) return "a run that was called may last longer than its caller";
    set_key(r, at, e->path);
    s->called = s->chosen = true;
    s->child = (int16_t)number(c);
    s->done = e->detached;
    s->nonce = e->detached;
    c->caller = (unsigned)number(r) + 1;
    c->caller_op = (int16_t)at;
    c->is_awaited = !e->detached;
    c->begins_ms = e->begins_ms;
    w->met[MET_FORK_CALLED] += r->is_fork && w->runs[r->origin].ops[at].called;
    w->met[MET_CALLED]++;
    w->met[MET_CALLED_DEEP] += r->caller > 0;
    w->met[MET_CALLED_ALONE] += e->detached;
    w->met[MET_CALLED_AGAIN] += e->attempt > 0;
    return NULL;
}

/* Of {"job": ..., "result": "..."}. */
static uint64_t result_of(const entry_text *value)
{
    static const char name[] = "result";
    char digits[17] = "";
    const char *at = value->len > 0 ? memmem(value->data, value->len, name, strlen(name)) : NULL;
    size_t left = at ? value->len - (size_t)(at - value->data) - strlen(name) : 0;
    if (left >= sizeof digits) memcpy(digits, at + strlen(name) + 1, sizeof digits - 1); /* behind the text's length */
    return strtoull(digits, NULL, 16);
}

static const char *take_returned(run_record *r, int at, const entry *e)
{
    op_state *s = &r->ops[at];
    const run_record *c = child_named(e, op_of(r, at)->calls_job);
    if (!s->called || !c || c != child_of(r, at)) return "a call has the result of a run that it has not called";
    if (s->done || s->failed) return "a call returns twice";
    if (c->end_count == 0) return "a call has returned, and its run has not ended";
    if (!(c->told[r->reopened] >> e->status & 1)) return "a call has returned what no letter has told it";
    s->done = e->status == ENTRY_SUCCEEDED;
    s->failed = s->fatal = !s->done;
    s->nonce = s->done ? result_of(&e->value) : 0;
    w->met[MET_RETURNED]++;
    w->met[MET_RETURNED_BAD] += s->failed;
    w->met[MET_RETURNED_LATER] += s->called_in < w->epoch;
    return s->failed || s->nonce == c->result ? NULL : "a call has another result than its run";
}

const char *called_take(run_record *r, const entry *e)
{
    int at = called_op(r, e);
    if (at == NO_OP) return "it has a call that its handler has not";
    if (e->kind == ENTRY_CALLED) r->ops[at].called_in = w->epoch;
    return e->kind == ENTRY_CALLED ? take_called(r, at, e) : take_returned(r, at, e);
}

const char *called_copy(run_record *r, const run_record *source, const entry *e)
{
    int at = called_op(r, e);
    if (at == NO_OP || !source->ops[at].called) return "it copies a call that the original has not made";
    op_state *s = &r->ops[at];
    const op_state *of = &source->ops[at];
    bool is_end = e->kind == ENTRY_RETURNED;
    if (!is_end && s->called) return "it copies a call twice";
    if (is_end && (!s->called || (!of->done && !of->failed))) return "it copies a result that the original has not";
    if (is_end && of->failed && (source->causes >> at & 1)) return "it copies a failure that has ended the original";
    set_key(r, at, e->path);
    s->called = s->chosen = s->copied = true;
    s->child = of->child;
    if (!is_end && !e->detached) return NULL;
    s->done = of->done;
    s->failed = of->failed;
    s->fatal = of->fatal;
    s->nonce = of->nonce;
    w->met[MET_FORK_CALLS]++;
    return NULL;
}

bool called_copy_lacks_result(const run_record *r)
{
    for (int at = 0; at < (int)w->jobs[r->job].op_count; at++)
        if (is_open(r, at) && r->ops[at].copied) return true;
    return false;
}

void called_started(run_record *r, const entry *e)
{
    called_by by;
    if (!called_by_read(e, &by)) abort();
    r->is_child = by.depth > 0;
    r->due_ms = e->due_ms;
}

void called_ended(run_record *r)
{
    w->met[MET_RECALLED] += r->recalled && r->outcome == ENTRY_CANCELLED;
    w->met[MET_CHILD_LATE] += r->is_child && r->cancel_reason == ENTRY_CANCEL_LATE && r->status == 504;
    r->end_count++;
    r->has_succeeded = r->outcome == ENTRY_SUCCEEDED;
    r->result = r->has_succeeded ? program_verdict(r).result : 0;
}

void called_reopened(run_record *r, const entry *e, uint64_t voids)
{
    r->due_ms = e->due_ms;
    for (int at = 0; at < (int)w->jobs[r->job].op_count; at++) {
        op_state *s = &r->ops[at];
        w->met[MET_REOPENED_WON] += op_of(r, at)->any && s->chosen;
        w->met[MET_REOPENED_WAIT] += s->waits;
        bool is_void = op_of(r, at)->kind == OP_CALL && s->failed && (voids >> at & 1);
        if (!is_void && !is_open(r, at)) continue;
        s->failed = s->fatal = false;
        if (!s->copied) continue;
        s->called = s->chosen = s->copied = false; /* the original's child returns to the original */
        s->generation++;
    }
}

/* ---- Letters ---- */

static run_record *run_of_bytes(const void *bytes)
{
    run_id id;
    char text[RUN_ID_TEXT + 1];
    memcpy(id.bytes, bytes, sizeof id.bytes);
    run_id_format(&id, text);
    return world_run(text);
}

static uint64_t arrival_of(const void *key)
{
    const unsigned char *at = (const unsigned char *)key + RUN_ID_BYTES;
    uint64_t n = 0;
    for (int i = 0; i < 8; i++) n = n << 8 | at[i];
    return n;
}

/* The run whose end the letter brings, and which end that is; NULL: it brings none. */
static run_record *returner_of(const void *data, size_t len, unsigned *outcome)
{
    msgpack_unpacked u, v;
    run_record *c = NULL;
    msgpack_unpacked_init(&u);
    msgpack_unpacked_init(&v);
    bool ok = msgpack_unpack_next(&u, data, len, NULL) == MSGPACK_UNPACK_SUCCESS &&
              u.data.type == MSGPACK_OBJECT_ARRAY && u.data.via.array.size == 5;
    const msgpack_object *f = ok ? u.data.via.array.ptr : NULL;
    if (f && f[1].via.u64 == RETURN_KIND && f[0].via.bin.size == RUN_ID_BYTES) c = run_of_bytes(f[0].via.bin.ptr);
    ok = c && msgpack_unpack_next(&v, f[3].via.bin.ptr, f[3].via.bin.size, NULL) == MSGPACK_UNPACK_SUCCESS;
    *outcome = ok ? (unsigned)v.data.via.array.ptr[0].via.u64 : 0;
    msgpack_unpacked_destroy(&v);
    msgpack_unpacked_destroy(&u);
    return c;
}

/* A run returns at each of its ends, and to a caller that wants it to go on though it has succeeded. */
static void take_return(run_record *c, unsigned generation, unsigned outcome)
{
    const run_record *r = c->caller ? &w->runs[c->caller - 1] : NULL;
    c->returns++;
    bool is_right = r && c->is_awaited && generation <= r->reopened && (c->wanted || c->returns <= c->end_count);
    PROMISE("returns once", is_right && c->end_count > 0,
            "run %d returns for the %u. time, for generation %u, has ended %u times, and its caller waits %d",
            number(c), c->returns, generation, c->end_count, c->is_awaited);
    c->told[generation] |= 1U << outcome;
}

static void take_recall(run_record *c, unsigned generation)
{
    const run_record *r = c->caller ? &w->runs[c->caller - 1] : NULL;
    bool is_right = r && c->is_awaited && (r->end_count > 0 || r->ops[c->caller_op].given_up);
    c->recalled = true;
    if (c->recalled_in <= generation) c->recalled_in = generation + 1;
    PROMISE("cancel goes down", is_right, "run %d is cancelled by its caller, which goes on", number(c));
}

static void take_wish(run_record *c, unsigned generation)
{
    const run_record *r = c->caller ? &w->runs[c->caller - 1] : NULL;
    c->wanted = true;
    c->wanted_in = w->epoch + 1;
    w->met[MET_WANTED]++;
    PROMISE("goes on with its caller", r && c->is_awaited && generation > 0 && generation <= r->reopened,
            "run %d is to go on for generation %u of its caller, which is in %u", number(c), generation,
            r ? r->reopened : 0);
}

/* Takes a letter from run to run; `is_new` (NULL: all are) says which. */
static void take_letter(const char *key, const char *value, size_t value_len,
                        bool (*is_new)(const run_record *c, uint32_t of))
{
    const uint64_t arrival = arrival_of(key);
    const uint32_t generation = (uint32_t)(arrival >> 32) & INT32_MAX, of = (uint32_t)arrival;
    unsigned outcome = 0;
    run_record *c = of > OF_RECALL ? returner_of(value, value_len, &outcome) : run_of_bytes(key);
    if (!c || (is_new && !is_new(c, of))) return;
    if (of > OF_RECALL)
        take_return(c, generation, outcome);
    else if (of == OF_RECALL && c->is_child)
        take_recall(c, generation);
    else if (of == OF_REOPEN && c->is_child)
        take_wish(c, generation);
}

static bool is_of_run(const char *key, size_t len) { return len == LETTER_KEY && arrival_of(key) >= ARRIVAL_OF_RUNS; }

/* ---- A commit is whole ---- */

static void look_at_child(const run_record *c)
{
    PROMISE("called once", c->is_child == (c->caller > 0) && (!c->caller || c->on_disk),
            "run %d is on disk %d, says that it was called %d, and the disk has a call of it %d", number(c), c->on_disk,
            c->is_child, c->caller > 0);
    PROMISE("returns once", !c->is_awaited || c->returns >= c->end_count,
            "run %d has ended, and no letter says so to its caller", number(c));
}

/* An operator has had it go on by itself, perhaps after the end of its caller. */
static bool was_resumed(const run_record *c) { return c->reopened > 0 && c->asked_to_reopen; }

static void look_at_calls(const run_record *r)
{
    for (int at = 0; r->ended && at < (int)w->jobs[r->job].op_count; at++) {
        const run_record *c = is_open(r, at) ? child_of(r, at) : NULL;
        PROMISE("cancel goes down", !c || c->ended || c->recalled_in > r->reopened || was_resumed(c),
                "run %d has ended, and run %d, for which it does not wait any more, goes on", number(r), number(c));
    }
}

static void look_at_all(void)
{
    for (unsigned i = 0; i < w->run_count && w->plan.children > 0; i++) {
        look_at_child(&w->runs[i]);
        if (w->runs[i].job >= 0) look_at_calls(&w->runs[i]);
    }
}

void called_committed(const store_segment *list)
{
    for (const store_segment *s = list; s; s = s->next)
        for (const store_row *row = s->outcome == STORE_DONE ? s->rows : NULL; row; row = row->next) {
            bool is_put = strcmp(row->table, "inbox") == 0 && row->op == STORE_ROW_PUT;
            if (is_put && is_of_run(row->key.data, row->key.len))
                take_letter(row->key.data, row->value.data, row->value.len, NULL);
        }
    look_at_all();
}

static bool was_not_seen(const run_record *c, uint32_t of)
{
    if (of == OF_REOPEN) return !c->wanted;
    return of == OF_RECALL ? !c->recalled : c->returns < c->end_count;
}

/* What a commit of unknown outcome may have left is new. */
void called_found(const memory_table *inbox)
{
    for (size_t i = 0; inbox && i < inbox->count; i++) {
        const memory_row *row = &inbox->rows[i];
        const char *key = (const char *)row->key, *value = key + row->key_len;
        if (!is_of_run(key, row->key_len)) continue;
        take_letter(key, value, row->value_len, was_not_seen);
    }
    look_at_all();
}

unsigned called_count(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->run_count; i++) n += w->runs[i].is_child && w->runs[i].on_disk;
    return n;
}

/* ---- The rest ---- */

bool called_others(const run_record *r)
{
    for (int at = 0; r->job >= 0 && at < (int)w->jobs[r->job].op_count; at++)
        if (op_of(r, at)->kind == OP_CALL && r->ops[at].called) return true;
    return false;
}

bool called_is_late(const run_record *r)
{
    return r->due_ms > 0 && (w->plan.sets_clock || r->last_ms + ROUNDING_MS >= r->due_ms);
}

bool called_rests(const run_record *r, bool (*rests)(const run_record *child))
{
    for (int at = 0; r->job >= 0 && at < (int)w->jobs[r->job].op_count; at++) {
        const run_record *c = is_open(r, at) && !r->ops[at].given_up ? child_of(r, at) : NULL;
        if (c && (rests(c) || called_rests(c, rests))) return true;
    }
    return false;
}
