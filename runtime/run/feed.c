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
    if (f->ring) f->ring[f->told++ % FEED_RING_EVENTS] = *e;
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
    feed_event told = feed_event_of(r, clock_wall_ms(), state);
    feed_tell(f, &told);
}

void feed_tell_stopped(feed *f, const run_id *id, const char *reason)
{
    const feed_event told = {.at_ms = clock_wall_ms(), .run = *id, .state = "stopped", .reason = reason};
    feed_tell(f, &told);
}

void feed_tell_attempt(feed *f, const run *r, const step_spec *spec, uint32_t attempt)
{
    if (!run_is_durable(r)) return; /* feed_tell_committed will, when the run is on disk */
    feed_event told = feed_event_of_attempt(r, spec, attempt);
    feed_tell(f, &told);
}

/* ---- Listening ---- */

bool feed_listen(feed *f, uint64_t *cursor)
{
    uv_mutex_lock(&f->lock);
    if (!f->ring) f->ring = calloc(FEED_RING_EVENTS, sizeof *f->ring);
    bool listens = f->ring != NULL;
    if (listens) (void)__atomic_add_fetch(&f->listeners, 1, __ATOMIC_RELAXED);
    *cursor = f->told;
    uv_mutex_unlock(&f->lock);
    return listens;
}

void feed_leave(feed *f)
{
    uv_mutex_lock(&f->lock);
    assert(f->listeners > 0);
    if (__atomic_sub_fetch(&f->listeners, 1, __ATOMIC_RELAXED) == 0) {
        free(f->ring);
        f->ring = NULL;
    }
    uv_mutex_unlock(&f->lock);
}

size_t feed_read(feed *f, uint64_t *cursor, feed_event *out, size_t most, uint64_t *lost)
{
    uv_mutex_lock(&f->lock);
    assert(f->ring && *cursor <= f->told);
    uint64_t behind = f->told - *cursor;
    *lost = behind > FEED_RING_EVENTS ? behind - FEED_RING_EVENTS : 0;
    *cursor += *lost;
    size_t n = 0;
    while (n < most && *cursor < f->told) out[n++] = f->ring[(*cursor)++ % FEED_RING_EVENTS];
    uv_mutex_unlock(&f->lock);
    return n;
}
