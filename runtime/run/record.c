#include "runtime/run/record.h"

#include <assert.h>
#include <stdlib.h>

#include "blocks/blocks.h"
#include "coro/seeded_bug.h"
#include "runtime/base/log.h"
#include "runtime/base/moment.h"
#include "runtime/run/calling.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/frames.h"
#include "runtime/run/home.h"
#include "runtime/run/letter.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/recall.h"
#include "runtime/run/remarking.h"
#include "runtime/run/replay.h"
#include "runtime/run/returning.h"
#include "runtime/run/sending.h"
#include "runtime/run/strand.h"

enum {
    BUFFER_FIRST = 1024,     /* bytes of a new buffer */
    BUFFER_REUSE_MAX = 65536 /* bytes of a buffer that is worth reusing */
};

/* ---- Buffers. A run has them only from its first new entry until the commit, so a home's runs share a few of them;
 * the last one used is taken first ---- */

static msgpack_sbuffer record_buffer_take(home *h)
{
    assert(h->buffer_count <= HOME_BUFFERS);
    if (h->buffer_count > 0) return h->buffers[--h->buffer_count];
    msgpack_sbuffer b = {.data = malloc(BUFFER_FIRST)};
    if (b.data) b.alloc = BUFFER_FIRST; /* without memory msgpack tries again, and fails, when an entry is written */
    return b;
}

static void record_buffer_give(home *h, msgpack_sbuffer *b)
{
    if (!b->data) return;
    if (b->alloc <= BUFFER_REUSE_MAX && h->buffer_count < HOME_BUFFERS) {
        b->size = 0;
        h->buffers[h->buffer_count++] = *b;
    } else {
        blocks_give(h->blocks, b->data, b->alloc);
    }
    msgpack_sbuffer_init(b);
}

void record_drop(run *r)
{
    assert(r->task.home->gate.open_bytes >= r->open.size);
    r->task.home->gate.open_bytes -= r->open.size;
    r->open.size = 0;
    r->open_has_progress = r->open_has_end = false;
    calling_drop(r);
}

void record_release(run *r)
{
    assert(!run_commit_is_under_way(r->commit));
    record_buffer_give(r->task.home, &r->sealed);
    if (r->open.size == 0) record_buffer_give(r->task.home, &r->open);
}

/* ---- Entries ---- */

/* Whether the entry may follow when the run is ending. */
static bool entry_is_last(const entry *e)
{
    return e->kind == ENTRY_CANCEL || e->kind == ENTRY_RESPONSE || e->kind == ENTRY_ENDED ||
           e->kind == ENTRY_STATUS; /* one that waited */
}

/* Whether --run-state-max does not count: without these entries a run could not end or go on. They are few, and small
 * or limited otherwise. */
static bool entry_has_no_limit(const entry *e)
{
    return e->kind == ENTRY_RESPONSE || e->kind == ENTRY_ENDED || e->kind == ENTRY_ROLLBACK ||
           e->kind == ENTRY_CANCEL || e->kind == ENTRY_STOPPED || e->kind == ENTRY_RELEASED || e->kind == ENTRY_WON ||
           e->kind == ENTRY_ABANDONED;
}

/* Whether the entry may come of code that works for a member of a group that has lost: it says what was given up, or is
 * of the run as a whole. */
static bool entry_is_of_loser(const entry *e)
{
    return e->kind == ENTRY_ABANDONED || e->kind == ENTRY_ROLLBACK || e->kind == ENTRY_STOPPED ||
           e->kind == ENTRY_CANCEL || e->kind == ENTRY_DIFFERS;
}

/* Whether the entry must be on disk before an attempt begins. SW_RELAXED waives that for recorded values and patches,
 * but not for stops and releases: those are others' decisions. */
static bool record_is_awaited(const run *r, const entry *e)
{
    bool relaxed = r->task.endpoint->options.durability == SW_RELAXED;
    if (BUG(RELEASE_UNWRITTEN) && e->kind == ENTRY_RELEASED) return false;
    return entry_is_choice(e->kind) && !(relaxed && (e->kind == ENTRY_VALUE || e->kind == ENTRY_PATCH)) &&
           !BUG(FORGET_CHOICE);
}

/* Loses the run for want of memory, and returns true. A run that has not begun is refused instead: false. */
static bool record_lacks_memory(run *r)
{
    if (r->state == RUN_NEW) {
        r->lacks_memory = true;
        return false;
    }
    run_lose_for_memory(r);
    return true;
}

bool record_has_room(const run *r, size_t bytes)
{
    return r->state_bytes + bytes <= (size_t)r->task.home->opt->run_state_max;
}

static bool record_is_over_limit(const run *r, const entry *e)
{
    size_t bytes =
        e->value.len + e->input.len + e->body.len + e->calls.len + e->headers.len + e->params.len + e->more.len;
    return !entry_has_no_limit(e) && !record_has_room(r, bytes);
}

bool record_append(run *r, const entry *e)
{
    assert(r->state < RUN_ENDED);                             /* the first final state */
    assert((e->kind == ENTRY_STARTED) == (r->seq_next == 0)); /* a journal begins with one start and has no other */
    if (run_has_lost(r)) return true;                         /* after an entry that is not on disk none may follow */
    /* A branch whose step got its result in the turn of the cancel goes on to its next wait, and is unwound there. */
    if (r->state == RUN_ENDING && !entry_is_last(e)) return true;
    if (!entry_is_of_loser(e) && !BUG(LOSERS_COUNT) && strand_has_lost(r))
        return true; /* nothing of it counts, and it unwinds */
    assert(!r->open_has_end);
    if (record_is_over_limit(r, e)) return false;
    if (!r->open.data) r->open = record_buffer_take(r->task.home);
    size_t before = r->open.size;
    assert(r->task.home->gate.open_bytes >= before);
    if (entry_encode(&r->open, e) != 0) {
        r->open.size = before;
        return record_lacks_memory(r);
    }
    r->state_bytes += r->open.size - before;
    r->task.home->gate.open_bytes += r->open.size - before;
    r->seq_next++;
    r->open_has_progress = r->open_has_progress || entry_is_progress(e->kind);
    r->open_has_end = e->kind == ENTRY_ENDED;
    if (record_is_awaited(r, e)) r->seq_choice = r->seq_next;
    if (!r->frames && frames_begin_with(e->kind) && !(r->frames = frames_new(r->task.home->arenas)))
        return record_lacks_memory(r);
    if (r->frames && !frames_add(r->frames, e, r->seq_next)) return record_lacks_memory(r);
    if (BUG(FRAME_EARLY) && r->frames) frames_durable(r->frames, r->seq_next);
    run_touch(r);
    return true;
}

/* The time in the run's row of the live table: when the run is to be looked at again; 0: something works for it. A
 * strand that waits for letters counts as one that waits for a signal: if they do not have it, the run parks without
 * another segment that could say so. */
static int64_t record_due_ms(const run *r)
{
    if (r->stop != STOP_NONE) return STORE_DUE_STOPPED;
    assert(r->mail_wait_count <= r->task.busy_count);
    if (r->task.busy_count > r->mail_wait_count || r->task.strand_count == 0) return 0;
    int64_t due_ms = r->deadline_due.due_ms;
    bool is_endless = false;
    open_wait own;
    for (const strand *s = r->task.strands; s; s = s->next) {
        is_endless = is_endless || s->work.awaits_calls > 0;
        for (const open_wait *w = strand_waits(s, &own); w; w = w->next) {
            is_endless = is_endless || w->signal;
            if (w->until.due_ms > 0 && (due_ms == 0 || w->until.due_ms < due_ms)) due_ms = w->until.due_ms;
        }
    }
    return due_ms == 0 && is_endless ? STORE_DUE_NEVER : due_ms;
}

/* How long the ended run's journal stays; 0: not at all; -1: as long as the store's setting says. */
static int64_t record_retain_ms(const run *r)
{
    const sw_endpoint_options *o = &r->task.endpoint->options;
    if (o->retain == SW_RETAIN_NONE || (o->retain == SW_RETAIN_FAILED && r->outcome == ENTRY_SUCCEEDED)) return 0;
    return o->retain_ms > 0 ? moment_of(o->retain_ms) : -1;
}

/* What becomes of the run's row in the live table, which is to say due_ms. A run that streams has a segment for each
 * chunk: if its row were written anew with each, a commit would have twice as many rows. A run whose segment is refused
 * is lost, and its next execution does not know the row. */
static store_live record_live(run *r, bool ends, int64_t due_ms)
{
    if (ends) return STORE_LIVE_CLEAR;
    bool is_there = r->live_ms == due_ms;
    r->live_ms = due_ms;
    return is_there || BUG(DROP_LIVE_ROW) ? STORE_LIVE_UNCHANGED : STORE_LIVE_SET;
}

static run_fate record_fate(const run *r)
{
    switch (r->outcome) {
    case ENTRY_SUCCEEDED:
        return FATE_SUCCEEDED;
    case ENTRY_FAILED:
        return FATE_FAILED;
    default:
        return FATE_CANCELLED;
    }
}

/* Tells the store's index what it would have to read otherwise. A resumed run may have begun in another version; of one
 * that has labels the index keeps these, too. */
static void record_describe(run *r)
{
    const endpoint *e = r->task.endpoint;
    if (r->replay || (r->remarks && remarking_said(r)->label_count > 0)) return;
    r->segment.function = e->route;
    r->segment.version = e->options.version ? e->options.version : "";
    r->segment.fate = record_fate(r);
}

/* Whether the letter goes with the segment. The run that has called this one, and wants it to go on, has its answer by
 * the last one. */
static bool record_takes_letter(const void *arg, const letter *m)
{
    const run *r = arg;
    if (m->kind == LETTER_TRIES) return r->open_has_progress;
    if (m->kind != LETTER_REOPEN) return true;
    return r->open_has_end && r->returning && letter_generation_of(letter_arrival_of(m->key)) <= r->returns_to;
}

/* The letters go with the segment; but one without progress does not show that the run has survived what it does: an
 * attempt that streams, or says how far it is, may end the process the next moment, as it did before. */
static void record_take_letters(run *r)
{
    letter_move_some(&r->letters, &r->sealed_letters, record_takes_letter, r);
    r->open_has_progress = false;
}

void record_flush(run *r)
{
    if (r->open.size == 0 || run_commit_is_under_way(r->commit)) return;
    assert(r->state != RUN_NEW);
    assert(!r->sealed.data);
    assert(r->task.home->gate.open_bytes >= r->open.size);
    assert(r->seq_sealed < r->seq_next); /* a segment has an entry */
    r->task.home->gate.open_bytes -= r->open.size;
    r->sealed = r->open;
    msgpack_sbuffer_init(&r->open);
    /* Not the run's state: one that is lost behind its end has that on disk all the same. */
    bool ends = r->open_has_end;
    int64_t due_ms = ends ? 0 : record_due_ms(r);
    r->segment = (store_segment){.run = r->id,
                                 .seq = r->seq_sealed + (BUG(SWAP_SEGMENTS) && r->seq_sealed > 8),
                                 .data = r->sealed.data,
                                 .len = r->sealed.size,
                                 .key = r->key && r->seq_sealed == 0 && !BUG(FORGET_KEY) ? &r->key->key : NULL,
                                 .live = record_live(r, ends, due_ms),
                                 .has_live_row = r->seq_sealed > 0 && !BUG(LEAVE_LIVE_ROW),
                                 .was_reopened = ends && r->replay && replay_reopened(r->replay),
                                 .due_ms = due_ms,
                                 .retain_ms = ends ? record_retain_ms(r) : -1};
    record_describe(r);
    record_take_letters(r);
    r->open_has_end = false;
    bool keeps = BUG(LEAVE_LETTER) || (BUG(LEAVE_TRIES) && letter_is_in(r->sealed_letters, LETTER_TRIES));
    if (!keeps) r->segment.rows = letter_deletions(r->sealed_letters);
    r->segment.rows = recall_seal_losers(r, sending_seal(r, mailbox_seal(r, r->segment.rows)));
    if (ends) r->segment.rows = returning_seal(r, recall_seal(r, r->segment.rows));
    r->seq_sealed = r->seq_next;
    r->commit = run_commit_next(r->commit, COMMIT_ON_SENT);
    r->segment.joined = r->callings != NULL;
    home_send(r->task.home, &r->segment);
    calling_send(r);
}

bool record_wait(strand *s, uint32_t upto)
{
    run *r = s->run;
    assert(upto <= r->seq_next);
    bool awake = true;
    r->commit_wait_count++;
    while (awake && r->seq_durable < upto) {
        run_touch(r);
        awake = strand_suspend(s);
    }
    assert(r->commit_wait_count > 0);
    r->commit_wait_count--;
    return r->seq_durable >= upto;
}
