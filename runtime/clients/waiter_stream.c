/* waiter_stream: a client that reads its run as server-sent events: frames as far as it takes them, and what is written
 * beside them: the stream's head, heartbeats, that the run stands still. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/clients/waiter_core.h"
#include "runtime/run/home.h"

enum {
    PUMP_BYTES = 16384,
    RECONNECT_MS = 1000 /* after which an EventSource that was cut connects again */
};

static void stream_begin(waiter *w)
{
    assert(!w->begun);
    char id[RUN_ID_TEXT + 1], stream[URL_MAX_BYTES], output[URL_MAX_BYTES], read[URL_MAX_BYTES];
    char text[3 * URL_MAX_BYTES + 256];
    http_reply_header headers[3 + OWN_HEADERS] = {
        {"Content-Type", "text/event-stream"}, {"X-Accel-Buffering", "no"}, {"X-Run-Id", id}};
    size_t count = 3;
    run_id_format(&w->id, id);
    if (w->wish.replayed) headers[count++] = (http_reply_header){"Idempotency-Replayed", "true"};
    waiter_run_url(w, "stream", RUN_TOKEN_CONTROL, stream);
    waiter_run_url(w, "output", RUN_TOKEN_CONTROL, output);
    waiter_run_url(w, "output", RUN_TOKEN_READ, read);
    int n = snprintf(text, sizeof text,
                     "retry: %d\nid: %u\nevent: inngest.metadata\n"
                     "data: {\"runId\":\"%s\",\"streamUrl\":\"%s\",\"outputUrl\":\"%s\",\"readUrl\":\"%s\"}\n\n",
                     RECONNECT_MS, w->cursor, id, stream, output, read);
    assert(n > 0);
    assert((size_t)n < sizeof text);
    assert(count <= sizeof headers / sizeof *headers);
    w->begun = true;
    w->wrote_ms = uv_now(w->home->uv);
    http_reply_begin(w->x, 200, headers, count);
    http_reply_write(w->x, text, (size_t)n);
}

/* Ends a stream whose client has the response already: an EventSource comes again and again unless 204 tells it so
 * (HTML, 9.2.3). */
static void stream_end_resumed(waiter *w) { http_reply(waiter_take_exchange(w), 204, NULL, 0, (http_text){"", 0}); }

/* Writes something beside the frames. The next worker writes frames and nothing else: a kept stream is taken back from
 * the supervisor and kept again, behind these bytes. False: the supervisor cannot be told now, nothing was written. */
static bool stream_write_aside(waiter *w, const char *data, size_t len)
{
    assert(w->begun);
    bool kept = http_exchange_kept(w->x);
    if (kept && !http_exchange_unkeep(w->x)) return false;
    http_reply_write(w->x, data, len);
    if (kept && waiter_keep(&w->keep) == WAITER_KEEP_LATER) keeper_add(w->home->keeper, &w->keep);
    return true;
}

/* Tells the client why the run stands still. The event has no id: Last-Event-ID stays that of the last frame. */
static void stream_tell_stopped(waiter *w)
{
    arena a;
    assert(w->stopped != STOP_NONE);
    if (w->told == w->stopped) return;
    arena_init(&a, NULL);
    const char *event = waiter_stopped_event(w, &a);
    if (event && stream_write_aside(w, event, strlen(event))) w->told = w->stopped;
    arena_free(&a);
}

/* Whether the client has the run's last frame, with the response. */
static bool stream_is_complete(const waiter *w)
{
    return w->frames && frames_closed(w->frames) && w->cursor >= frames_count(w->frames);
}

void waiter_stream_pump(waiter *w)
{
    frames *f = w->frames;
    assert(w->wish.kind == WAITER_STREAM);
    if (!w->begun && stream_is_complete(w)) {
        stream_end_resumed(w);
        return;
    }
    bool all = f == NULL;
    if (!w->begun) stream_begin(w);
    while (!all && http_exchange_writable(w->x)) {
        /* To a kept client frame by frame: the next worker must write the same pieces, whenever they became durable. */
        sw_bytes more = frames_next(f, &w->cursor, http_exchange_kept(w->x) ? 1 : PUMP_BYTES);
        all = more.len == 0;
        if (all) break;
        assert(w->cursor <= frames_count(f));
        w->wrote_ms = uv_now(w->home->uv);
        http_reply_write(w->x, more.data, more.len);
    }
    if (all && !w->is_head && w->stopped != STOP_NONE) stream_tell_stopped(w);
    if (w->is_head || stream_is_complete(w)) http_reply_end(waiter_take_exchange(w));
}

void waiter_stream_on_writable(http_exchange *x)
{
    waiter *w = http_exchange_user(x);
    assert(w);
    assert(w->x == x);
    waiter_stream_pump(w);
}

void waiter_stream_give(waiter *w, frames *f)
{
    assert(w->wish.kind == WAITER_STREAM);
    if (!f && !w->frames) w->cursor = 0; /* nothing has been streamed, whatever the client says it has */
    if (w->frames == f || !f) return;
    if (BUG(FRAME_AGAIN) && w->frames && w->cursor > 0) w->cursor--;
    frames_unref(w->frames); /* the run has left memory and come back with frames of its own, and the same ids */
    w->frames = frames_ref(f);
    if (w->cursor > frames_count(f)) w->cursor = frames_count(f);
}

void waiter_stream_answer(waiter *w, frames *f)
{
    assert(frames_closed(f));
    assert(!w->over);
    w->stopped = STOP_NONE;
    waiter_stream_give(w, f);
    waiter_unlink(w);
    waiter_link(w, &w->home->readers);
    w->over = true;
    waiter_stream_pump(w);
}

static void stream_send_heartbeat(waiter *w)
{
    static const char comment[] = ":\n\n";
    (void)stream_write_aside(w, comment, sizeof comment - 1);
}

void waiter_stream_on_silence(struct timer *t)
{
    waiter *w = t->arg;
    uint64_t now = uv_now(w->home->uv), every = (uint64_t)w->home->opt->heartbeat_ms;
    assert(now >= w->wrote_ms);
    if (now - w->wrote_ms >= every) {
        w->wrote_ms = now;
        if (w->begun && http_exchange_flushed(w->x)) stream_send_heartbeat(w); /* else the client has enough to read */
    }
    (void)timers_start(&w->home->timers, t, w->wrote_ms + every - now);
}
