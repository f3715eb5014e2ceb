#include "runtime/run/calling.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/base/digest.h"
#include "runtime/base/moment.h"
#include "runtime/base/value.h"
#include "runtime/run/board.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/function_input.h"
#include "runtime/run/home.h"
#include "runtime/run/notice.h"
#include "runtime/run/program.h"
#include "runtime/run/record.h"
#include "runtime/run/reopen.h"
#include "runtime/run/replay.h"
#include "runtime/run/run_trace.h"
#include "runtime/run/slot_core.h"
#include "storage/kin.h"

struct calling {
    struct calling *next; /* of the same parent */
    home *home;           /* the parent's */
    parcel parcel;
    run_id child;
    int64_t begins_ms;
    msgpack_sbuffer entries; /* borrowed by the segment, as `kin` */
    kin_pair kin;
    notice *notice; /* the child is another node's; owned. NULL: it is not */
    store_segment segment;
};

static void calling_free(calling *q)
{
    msgpack_sbuffer_destroy(&q->entries);
    free(q->notice);
    free(q);
}

/* What it keeps in memory until it is on disk. */
static size_t calling_bytes(const calling *q) { return sizeof *q + q->entries.size; }

/* It goes to the store, or is forgotten. */
static void calling_unlink(run *r, calling *q)
{
    size_t *open_bytes = &r->task.home->gate.open_bytes;
    assert(r->calling_count > 0 && *open_bytes >= calling_bytes(q));
    r->callings = q->next;
    if (!r->callings) r->callings_end = &r->callings;
    q->next = NULL;
    r->calling_count--;
    *open_bytes -= calling_bytes(q);
}

/* ---- Making ---- */

enum { TIME_BYTES = 6, SLOT_AT = 14 };

/* What makes a call different from all others. */
static void calling_hash(const run_id *caller, uint64_t path, uint32_t generation, uint8_t hash[DIGEST_BYTES])
{
    const http_text parts[] = {{(const char *)caller->bytes, sizeof caller->bytes},
                               {(const char *)&path, sizeof path},
                               {(const char *)&generation, sizeof generation}};
    digest_texts(hash, parts, sizeof parts / sizeof *parts, "the id of a run that is called");
}

/* The time of the call, and bytes of a hash of what makes the call different from all others. One of these is the
 * child's slot in the cluster: children spread over the nodes. */
static run_id calling_make_id(const run *r, const call_plan *plan, int64_t now_ms)
{
    uint8_t hash[DIGEST_BYTES];
    run_id id;
    if (plan->child) return *plan->child;
    calling_hash(&r->id, plan->named.path, plan->generation, hash);
    for (int i = 0; i < TIME_BYTES; i++) id.bytes[i] = (uint8_t)((uint64_t)now_ms >> (8 * (TIME_BYTES - 1 - i)));
    memcpy(id.bytes + TIME_BYTES, hash, RUN_ID_BYTES - TIME_BYTES);
    if (!r->task.home->cluster->has_others) run_id_set_cluster_slot(&id, RUN_ID_SLOT_ALONE);
    return id;
}

bool calling_is_own(const run_id *caller, const replay_record *call, run_id *child)
{
    uint8_t hash[DIGEST_BYTES];
    if (call->child.len != sizeof child->bytes) return false; /* of a damaged journal: nobody knows which run that is */
    memcpy(child->bytes, call->child.data, sizeof child->bytes);
    calling_hash(caller, call->path, call->attempts, hash);
    return memcmp(child->bytes + TIME_BYTES, hash, SLOT_AT - TIME_BYTES) == 0;
}

/* When the child is over its deadline: a time after it begins; and if its parent has one, and waits for it, not much
 * later than that: the parent, which then cancels it, is to end for its own deadline, not for the child's. 0: never. */
static int64_t calling_due_ms(const run *r, const call_plan *plan, int64_t now_ms)
{
    const int64_t from_ms = plan->begins_ms > now_ms ? plan->begins_ms : now_ms;
    const int64_t own_ms = plan->function->options.timeout_ms;
    int64_t due_ms = 0, left_ms;
    if (plan->timeout_ms > 0) due_ms = moment_after(from_ms, plan->timeout_ms);
    if (own_ms > 0 && (due_ms == 0 || moment_after(from_ms, own_ms) < due_ms)) due_ms = moment_after(from_ms, own_ms);
    if (plan->detached || r->deadline_due.due_ms == 0 || BUG(CHILD_LATE)) return due_ms;
    left_ms = clock_left_ms(&r->deadline_due);
    int64_t parent_ms = moment_after(now_ms, (left_ms > 0 ? left_ms : 0) + BEHIND_PARENT_MS);
    return due_ms == 0 || parent_ms < due_ms ? parent_ms : due_ms;
}

static bool calling_pack_more(const run *r, const call_plan *plan, msgpack_sbuffer *to)
{
    const called_by by = {.parent = r->id,
                          .depth = r->caller.depth + 1,
                          .number = plan->detached ? 0 : r->seq_next + 1,
                          .begins_ms = plan->begins_ms,
                          .generation = r->generation};
    msgpack_packer pk;
    msgpack_packer_init(&pk, to, msgpack_sbuffer_write);
    return msgpack_pack_map(&pk, CALLED_BY_PAIRS + run_trace_child_pairs(&r->task) +
                                     function_input_pairs(&plan->input)) == 0 &&
           called_by_pack(&pk, &by) && run_trace_child_pack(&r->task, &pk) && function_input_pack(&pk, &plan->input);
}

/* The child's first entry. False: no memory. */
static bool calling_encode(calling *q, const run *r, const call_plan *plan, const entry *called)
{
    static const char no_headers[] = "\x90", no_params[] = "\x80";
    msgpack_sbuffer more;
    msgpack_sbuffer_init(&more);
    clock_instant now = clock_now(&q->home->clock);
    const sw_endpoint_options *o = &plan->function->options;
    entry started = {.kind = ENTRY_STARTED,
                     .at_ms = called->at_ms,
                     .function = entry_text_of(plan->function->route),
                     .version = entry_text_of(o->version ? o->version : ""),
                     .owner = entry_text_of(store_node(q->home->store)),
                     .epoch = now.epoch,
                     .params = {no_params, 1},
                     .headers = {no_headers, 1},
                     .due_ms = called->due_ms};
    bool ok = calling_pack_more(r, plan, &more);
    started.more = (entry_text){more.data, more.size};
    ok = ok && entry_encode(&q->entries, &started) == 0;
    msgpack_sbuffer_destroy(&more);
    return ok;
}

/* NULL: no memory. */
static calling *calling_new(const run *r, const call_plan *plan, const entry *called)
{
    calling *q = calloc(1, sizeof *q);
    if (!q) return NULL;
    q->home = r->task.home;
    q->begins_ms = plan->begins_ms;
    memcpy(q->child.bytes, called->child.data, RUN_ID_BYTES);
    msgpack_sbuffer_init(&q->entries);
    const notice_news news = {.run = q->child, .number = NOTICE_OF_BEGIN, .about = (uint64_t)q->begins_ms};
    if (notice_make(q->home, &news, &q->notice) && calling_encode(q, r, plan, called)) return q;
    calling_free(q);
    return NULL;
}

/* Whether the input fits a run's memory, where it takes more than on disk: else the child could never be loaded. */
static calling_outcome calling_check_input(run *r, const call_plan *plan)
{
    const char *ignored = NULL;
    sw_value copy;
    arena a;
    arena_init(&a, r->task.home->arenas);
    arena_set_limit(&a, task_bytes_max(r->task.home));
    bool fits = value_copy(&a, plan->input, &copy, &ignored), is_out = a.is_out;
    arena_free(&a);
    if (is_out) run_lose_for_memory(r);
    return is_out ? CALLING_LOST : fits ? CALLING_DONE : CALLING_TOO_LARGE;
}

static calling_outcome calling_append(run *r, const call_plan *plan, const entry *called)
{
    calling *q = calling_new(r, plan, called);
    if (BUG(CHILD_NONE) && q) {
        calling_free(q);
        return record_append(r, called) ? CALLING_DONE : CALLING_OVER_STATE;
    }
    if (!q) run_lose_for_memory(r);
    if (!q) return CALLING_LOST;
    const bool fits = record_append(r, called);
    if (!fits || run_has_lost(r)) {
        calling_free(q);
        return fits ? CALLING_LOST : CALLING_OVER_STATE;
    }
    *r->callings_end = q;
    r->callings_end = &q->next;
    r->calling_count++;
    r->task.home->gate.open_bytes += calling_bytes(q);
    return CALLING_DONE;
}

calling_outcome calling_begin(run *r, const call_plan *plan, run_id *child)
{
    const char *ignored = NULL;
    msgpack_sbuffer *scratch = &r->task.home->scratch;
    calling_outcome outcome = calling_check_input(r, plan);
    if (outcome != CALLING_DONE) return outcome;
    const int64_t now_ms = clock_wall_ms();
    entry called = plan->named;
    *child = calling_make_id(r, plan, now_ms);
    scratch->size = 0;
    bool is_nil = plan->input.type == MSGPACK_OBJECT_NIL;
    if (!is_nil && !value_pack(scratch, plan->input, SIZE_MAX, &ignored)) {
        run_lose_for_memory(r); /* that it is not too deep the check has seen */
        return CALLING_LOST;
    }
    called.kind = ENTRY_CALLED;
    called.at_ms = now_ms;
    called.child = (entry_text){(const char *)child->bytes, RUN_ID_BYTES};
    called.function = entry_text_of(plan->function->route);
    called.input = (entry_text){scratch->data, scratch->size};
    called.attempt = plan->generation;
    called.detached = plan->detached;
    called.due_ms = calling_due_ms(r, plan, now_ms);
    called.begins_ms = plan->begins_ms;
    called.duration_ms = plan->timeout_ms > 0 ? plan->timeout_ms : 0;
    return calling_append(r, plan, &called);
}

/* ---- With the parent's commit ---- */

static int64_t calling_live_due_ms(const calling *q) { return q->begins_ms > clock_wall_ms() ? q->begins_ms : 0; }

void calling_send(run *r)
{
    for (calling *q; (q = r->callings);) {
        calling_unlink(r, q);
        kin_pair_fill(&q->kin, &r->id, KIN_CHILD, &q->child);
        q->segment = (store_segment){.run = q->child,
                                     .live = STORE_LIVE_SET,
                                     .due_ms = calling_live_due_ms(q),
                                     .retain_ms = -1,
                                     .data = q->entries.data,
                                     .len = q->entries.size,
                                     .rows = notice_row(q->notice, q->kin.rows),
                                     .tag = CALLING_TAG,
                                     .joined = r->callings != NULL};
        home_send(q->home, &q->segment);
    }
}

void calling_drop(run *r)
{
    for (calling *q; (q = r->callings);) {
        calling_unlink(r, q);
        calling_free(q);
    }
}

/* ---- At the child's home ---- */

static calling *calling_of(parcel *p) { return (calling *)((char *)p - offsetof(calling, parcel)); }

static void calling_on_drop(parcel *p) { calling_free(calling_of(p)); }

/* The child waits like a run that is parked: until it is due, and for its place. */
static void child_begin(home *h, slot *s, int64_t begins_ms)
{
    clock_alarm due = clock_alarm_in(0);
    if (begins_ms > clock_wall_ms()) {
        due = clock_alarm_in(begins_ms - clock_wall_ms());
        due.wall_ms = begins_ms;
    }
    s->is_known_here = true;
    counter_add(&h->counters.runs_started, 1);
    slot_park(h, s, due);
}

bool calling_take_child(home *h, const run_id *child, int64_t begins_ms)
{
    slot *s = slot_find(&h->slots, child);
    if (s && !s->run && !s->has_live_row && !h->draining) return false;
    if (s || h->draining) return true;
    s = slot_add(h, child);
    if (!s) return false;
    child_begin(h, s, begins_ms);
    return true;
}

static bool calling_on_delivery(home *h, parcel *p)
{
    calling *q = calling_of(p);
    if (!calling_take_child(h, &q->child, q->begins_ms)) {
        /* Before it is asked again the child may have ended, cancelled: then its slot is not to stay. */
        q->begins_ms = 0;
        return false;
    }
    calling_free(q);
    return true;
}

void calling_committed(store_segment *segment)
{
    calling *q = (calling *)((char *)segment - offsetof(calling, segment));
    home *h = q->home;
    assert(segment->tag == CALLING_TAG);
    home_segment_back(h);
    /* With an error so has the parent's segment: it makes the call again, if it comes to it. */
    if (segment->error || !home_owns(h, &q->child)) { /* else that node's lookout finds it */
        calling_free(q);
        return;
    }
    q->parcel = (parcel){.deliver = calling_on_delivery, .drop = calling_on_drop};
    board_hand(h, &q->parcel, &q->child);
}
