#include "runtime/run/feed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/utf8.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/run.h"
#include "runtime/run/step_spec.h"
#include "runtime/run/stop.h"

bool feed_init(feed *f)
{
    *f = (feed){.ring = NULL};
    return uv_mutex_init(&f->lock) == 0;
}

void feed_destroy(feed *f)
{
    assert(f->listeners == 0 && !f->ring);
    uv_mutex_destroy(&f->lock);
}

/* ---- Who wants what ---- */

enum { FEED_RANDOM_BYTE = 13 }; /* of a run's id, before slot and loop (storage/run_id.h) */

/* The bit of a run in `watched`. */
static unsigned feed_bit(const run_id *id) { return id->bytes[FEED_RANDOM_BYTE] % FEED_WATCHED_BITS; }

static bool feed_is_watched(const feed *f, const run_id *id)
{
    return (__atomic_load_n(&f->watched, __ATOMIC_RELAXED) >> feed_bit(id) & 1) != 0;
}

static bool feed_has_whole(const feed *f) { return __atomic_load_n(&f->whole, __ATOMIC_RELAXED) > 0; }

static bool feed_has_room(const feed *f)
{
    return __atomic_load_n(&f->room, __ATOMIC_RELAXED) > 0 || __atomic_load_n(&f->room_stepped, __ATOMIC_RELAXED) > 0;
}

static void feed_skip(feed *f, uint64_t entries) { (void)__atomic_add_fetch(&f->skipped, entries, __ATOMIC_RELAXED); }

/* Whether somebody may want events of so many entries of the run. If not, these count as skipped. */
static bool feed_wants(feed *f, const run_id *id, uint64_t entries)
{
    if (feed_has_whole(f) || feed_is_watched(f, id)) return true;
    if (__atomic_load_n(&f->rated, __ATOMIC_RELAXED) == 0) return false;
    if (feed_has_room(f)) return true;
    feed_skip(f, entries);
    return false;
}

static bool room_take(int64_t *room)
{
    if (*room <= 0) return false;
    (void)__atomic_sub_fetch(room, 1, __ATOMIC_RELAXED);
    return true;
}

/* Under lock: whether anybody wants the event, which takes the room of each who does. */
static bool feed_admits(feed *f, const feed_event *e)
{
    bool is_step = e->step[0] != 0;
    if (feed_is_watched(f, &e->run)) return true;
    if (is_step && f->stepped == 0) return false;
    if (f->whole > 0) return true;
    bool is_of_runs = !is_step && room_take(&f->room), is_of_all = room_take(&f->room_stepped);
    if (is_of_runs || is_of_all) return true;
    if (f->rated > 0) feed_skip(f, 1);
    return false;
}

/* ---- Telling ---- */

static void feed_set_step(feed_event *e, const char *id, size_t len)
{
    size_t shown = len > FEED_STEP_BYTES ? utf8_whole(id, FEED_STEP_BYTES) : len;
    memcpy(e->step, id, shown);
    e->step[shown] = 0;
}

static feed_event feed_event_of(const run *r, int64_t at_ms, const char *state)
{
    return (feed_event){.at_ms = at_ms, .run = r->id, .endpoint = r->task.endpoint->route, .state = state};
}

static const char *feed_outcome(int outcome)
{
    switch (outcome) {
    case ENTRY_SUCCEEDED:
        return "succeeded";
    case ENTRY_FAILED:
        return "failed";
    default:
        return "cancelled";
    }
}

/* `is_good`: a call that has returned has succeeded, one that was made is waited for. */
static const char *feed_wait_state(entry_kind kind, bool is_good)
{
    switch (kind) {
    case ENTRY_TAKEN:
        return "done";
    case ENTRY_TIMED_OUT:
        return "timed out";
    case ENTRY_RETURNED:
        return is_good ? "done" : "failed";
    case ENTRY_CALLED:
        return is_good ? "waiting" : "done";
    default:
        return "waiting";
    }
}

/* What listeners are told of the entry; state NULL: nothing. */
static feed_event feed_event_of_entry(const run *r, const entry *e)
{
    feed_event told = feed_event_of(r, e->at_ms, NULL);
    bool is_step = e->kind == ENTRY_STEP_DONE || e->kind == ENTRY_STEP_FAILED || e->kind == ENTRY_SLEEP;
    bool is_wait = e->kind == ENTRY_WAIT || e->kind == ENTRY_TAKEN || e->kind == ENTRY_TIMED_OUT ||
                   e->kind == ENTRY_CALLED || e->kind == ENTRY_RETURNED;
    if (e->kind == ENTRY_STARTED || e->kind == ENTRY_RELEASED) told.state = "running";
    if (e->kind == ENTRY_ENDED) told.state = feed_outcome(e->status);
    if (e->kind == ENTRY_STOPPED) told.state = "stopped";
    if (e->kind == ENTRY_STOPPED) told.reason = stop_name(stop_of_entry(e));
    if (!is_step && !is_wait) return told;
    told.state = e->kind == ENTRY_SLEEP ? "sleeping" : e->kind == ENTRY_STEP_DONE ? "done" : "failed";
    if (e->kind == ENTRY_STEP_FAILED && e->due_ms > 0) told.state = "retrying";
    if (is_wait) told.state = feed_wait_state(e->kind, e->status == ENTRY_SUCCEEDED && !e->detached);
    told.path = e->path;
    told.due_ms = e->kind == ENTRY_STEP_DONE ? 0 : e->due_ms;
    told.attempt = e->attempt;
    feed_set_step(&told, e->id.data, e->id.len);
    return told;
}

/* Under lock. The last listener may have gone since the caller looked. */
static void feed_put(feed *f, const feed_event *e)
{
    if (f->ring && feed_admits(f, e)) f->ring[f->told++ % FEED_RING_EVENTS] = *e;
}

static void feed_tell(feed *f, const feed_event *e)
{
    uv_mutex_lock(&f->lock);
    feed_put(f, e);
    uv_mutex_unlock(&f->lock);
}

static feed_event feed_event_of_attempt(const run *r, const step_spec *spec, uint32_t attempt)
{
    feed_event told = feed_event_of(r, clock_wall_ms(), "running");
    told.path = spec->path;
    told.attempt = attempt;
    feed_set_step(&told, spec->id, strlen(spec->id));
    return told;
}

/* Under lock: attempts that began before the run was on disk, so that nobody could know of it. */
static void feed_put_attempts(feed *f, const run *r)
{
    for (const strand *s = r->task.strands; s; s = s->next) {
        if (s->work.began_us == 0) continue;
        feed_event told = feed_event_of_attempt(r, s->work.step, s->work.attempt);
        feed_put(f, &told);
    }
}

void feed_tell_committed(feed *f, const run *r)
{
    const char *data = r->segment.data, *error = NULL;
    entry e;
    assert(!r->segment.error);
    if (!feed_wants(f, &r->id, r->seq_sealed - r->seq_durable)) return;
    uv_mutex_lock(&f->lock);
    for (size_t at = 0, n; at < r->segment.len; at += n) {
        n = entry_decode(data + at, r->segment.len - at, &e, &error);
        assert(n > 0); /* this process has written it */
        if (n == 0) break;
        feed_event told = feed_event_of_entry(r, &e);
        if (told.state) feed_put(f, &told);
    }
    if (r->seq_durable == 0) feed_put_attempts(f, r);
    uv_mutex_unlock(&f->lock);
}

void feed_tell_run(feed *f, const run *r, const char *state)
{
    if (!feed_wants(f, &r->id, 1)) return;
    feed_event told = feed_event_of(r, clock_wall_ms(), state);
    feed_tell(f, &told);
}

void feed_tell_stopped(feed *f, const run_id *id, const char *reason)
{
    if (!feed_wants(f, id, 1)) return;
    const feed_event told = {.at_ms = clock_wall_ms(), .run = *id, .state = "stopped", .reason = reason};
    feed_tell(f, &told);
}

void feed_tell_attempt(feed *f, const run *r, const step_spec *spec, uint32_t attempt)
{
    if (!run_is_durable(r)) return; /* feed_tell_committed will, when the run is on disk */
    if (!feed_wants(f, &r->id, 1)) return;
    feed_event told = feed_event_of_attempt(r, spec, attempt);
    feed_tell(f, &told);
}

/* ---- Listening ---- */

/* Under lock: counts the wish in or out. */
static void feed_count(feed *f, const feed_wish *wish, uint32_t by)
{
    (void)__atomic_add_fetch(&f->listeners, by, __ATOMIC_RELAXED);
    if (wish->has_run) {
        unsigned bit = feed_bit(&wish->run);
        f->watchers[bit] += by;
        uint64_t others = f->watched & ~(UINT64_C(1) << bit);
        __atomic_store_n(&f->watched, others | (uint64_t)(f->watchers[bit] > 0) << bit, __ATOMIC_RELAXED);
        return;
    }
    (void)__atomic_add_fetch(wish->rate > 0 ? &f->rated : &f->whole, by, __ATOMIC_RELAXED);
    if (wish->with_steps) (void)__atomic_add_fetch(&f->stepped, by, __ATOMIC_RELAXED);
}

bool feed_listen(feed *f, const feed_wish *wish, feed_cursor *cursor)
{
    uv_mutex_lock(&f->lock);
    if (!f->ring) f->ring = calloc(FEED_RING_EVENTS, sizeof *f->ring);
    bool listens = f->ring != NULL;
    if (listens) feed_count(f, wish, 1);
    uint64_t skipped = __atomic_load_n(&f->skipped, __ATOMIC_RELAXED);
    *cursor = (feed_cursor){.told = f->told, .skipped = skipped, .counts_skipped = !wish->has_run};
    uv_mutex_unlock(&f->lock);
    return listens;
}

void feed_leave(feed *f, const feed_wish *wish)
{
    uv_mutex_lock(&f->lock);
    assert(f->listeners > 0);
    feed_count(f, wish, (uint32_t)-1);
    if (f->listeners == 0) {
        free(f->ring);
        f->ring = NULL;
    }
    uv_mutex_unlock(&f->lock);
}

void feed_make_room(feed *f, const feed_wish *wish, size_t events)
{
    int64_t *room = wish->with_steps ? &f->room_stepped : &f->room;
    uv_mutex_lock(&f->lock);
    if (*room < (int64_t)events) __atomic_store_n(room, (int64_t)events, __ATOMIC_RELAXED);
    uv_mutex_unlock(&f->lock);
}

/* How many events have been skipped since the cursor's listener asked last. */
static uint64_t feed_take_skipped(const feed *f, feed_cursor *cursor)
{
    if (!cursor->counts_skipped) return 0;
    uint64_t before = cursor->skipped;
    cursor->skipped = __atomic_load_n(&f->skipped, __ATOMIC_RELAXED);
    return cursor->skipped - before;
}

size_t feed_read(feed *f, feed_cursor *cursor, feed_event *out, size_t most, uint64_t *lost)
{
    uv_mutex_lock(&f->lock);
    assert(f->ring && cursor->told <= f->told);
    uint64_t behind = f->told - cursor->told;
    uint64_t overwritten = behind > FEED_RING_EVENTS ? behind - FEED_RING_EVENTS : 0;
    cursor->told += overwritten;
    *lost = overwritten + feed_take_skipped(f, cursor);
    size_t n = 0;
    while (n < most && cursor->told < f->told) out[n++] = f->ring[cursor->told++ % FEED_RING_EVENTS];
    uv_mutex_unlock(&f->lock);
    return n;
}
