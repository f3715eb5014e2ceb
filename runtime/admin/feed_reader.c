#include "runtime/admin/feed_reader.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/admin/list_query.h"
#include "runtime/base/json_writer.h"
#include "runtime/base/problem.h"
#include "runtime/run/feed.h"
#include "runtime/run/program.h"

enum {
    LOOK_MS = 50,           /* between two looks at the ring */
    BATCH_EVENTS = 64,      /* copied at a time */
    LOOK_EVENTS_MAX = 2048, /* in one look; more wait for the next one, or are lost */
    RATE_MAX = 1000000,
    WHOLE_EVENT = 1000, /* of an allowance */
    PATH_TEXT = 17
};

typedef struct feed_reader {
    home *home;
    http_exchange *x;
    feed_wish wish;
    feed_cursor cursor;
    uint64_t lost;     /* and not told yet */
    size_t allowance;  /* with a rate: thousandths of events that may be told now */
    uint64_t wrote_ms; /* the uv loop's time */
    struct timer look;
} feed_reader;

/* ---- Text ---- */

static void reader_put(json_writer *w, const char *text)
{
    if (msgpack_sbuffer_write(&w->out, text, strlen(text)) != 0) w->is_short = true;
}

static void reader_open_event(json_writer *w, const char *name)
{
    reader_put(w, "event: ");
    reader_put(w, name);
    reader_put(w, "\ndata: ");
    w->has_before = false;
    json_open_map(w, NULL);
}

static void reader_close_event(json_writer *w)
{
    json_close_map(w);
    reader_put(w, "\n\n");
}

static void reader_put_event(json_writer *w, const feed_event *e)
{
    char id[RUN_ID_TEXT + 1], path[PATH_TEXT];
    bool is_step = e->step[0] != 0;
    run_id_format(&e->run, id);
    reader_open_event(w, is_step ? "step" : "run");
    json_put_text(w, "runId", id);
    if (e->endpoint) json_put_text(w, "endpoint", e->endpoint);
    if (is_step) {
        (void)snprintf(path, sizeof path, "%016" PRIx64, e->path);
        json_put_text(w, "step", e->step);
        json_put_text(w, "path", path);
    }
    json_put_text(w, "state", e->state);
    if (e->reason) json_put_text(w, "reason", e->reason);
    if (e->attempt > 0) json_put_int(w, "attempt", e->attempt);
    json_put_int(w, "at", e->at_ms);
    if (e->due_ms > 0) json_put_int(w, "due", e->due_ms);
    reader_close_event(w);
}

static void reader_put_lost(json_writer *w, uint64_t lost)
{
    reader_open_event(w, "lost");
    json_put_int(w, "lost", (int64_t)lost);
    reader_close_event(w);
}

/* ---- Reading ---- */

static void reader_free(feed_reader *r)
{
    home *h = r->home;
    timers_stop(&h->timers, &r->look);
    timers_unreserve(&h->timers, 1);
    feed_leave(&h->app->feed, &r->wish);
    free(r);
}

static void reader_on_gone(http_exchange *x)
{
    reader_free(http_exchange_user(x));
    http_reply_abort(x);
}

static bool reader_wants(const feed_reader *r, const feed_event *e)
{
    if (r->wish.has_run && !run_id_equal(&r->wish.run, &e->run)) return false;
    return r->wish.with_steps || e->step[0] == 0;
}

/* What will be allowed in the next look: the client's rate adds to what is left. What is not used counts no longer, but
 * for one event: after a silence no burst is told. */
static size_t reader_next_allowance(const feed_reader *r)
{
    const size_t one_look = r->wish.rate * LOOK_MS * WHOLE_EVENT / 1000, most = one_look + WHOLE_EVENT - 1;
    return r->allowance + one_look < most ? r->allowance + one_look : most;
}

/* With a rate, and for all runs: says how many events are of use until the next look. */
static void reader_make_room(const feed_reader *r)
{
    if (r->wish.rate == 0 || r->wish.has_run) return;
    feed_make_room(&r->home->app->feed, &r->wish, reader_next_allowance(r) / WHOLE_EVENT);
}

/* Whether one event more may be told; then it counts as told. */
static bool reader_may_tell(feed_reader *r)
{
    if (r->wish.rate == 0) return true;
    if (r->allowance < WHOLE_EVENT) return false;
    r->allowance -= WHOLE_EVENT;
    return true;
}

/* Copies a batch of events out of the ring as text. False: there are no more. */
static bool reader_take_batch(feed_reader *r, json_writer *w)
{
    feed_event events[BATCH_EVENTS];
    uint64_t lost = 0, passed_over = 0;
    size_t n = feed_read(&r->home->app->feed, &r->cursor, events, BATCH_EVENTS, &lost);
    r->lost += lost;
    if (r->lost > 0) reader_put_lost(w, r->lost);
    for (size_t i = 0; i < n; i++) {
        if (!reader_wants(r, &events[i])) continue;
        if (reader_may_tell(r))
            reader_put_event(w, &events[i]);
        else
            passed_over++;
    }
    if (w->is_short)
        r->lost += n; /* no memory for their text */
    else
        r->lost = passed_over;
    return n == BATCH_EVENTS;
}

/* Writes what has happened since the last look, as far as the client takes it: what it does not take stays in the ring,
 * until others take its place there. */
static void reader_write_news(feed_reader *r)
{
    bool more = true;
    r->allowance = reader_next_allowance(r);
    for (size_t seen = 0; more && seen < LOOK_EVENTS_MAX && http_exchange_writable(r->x); seen += BATCH_EVENTS) {
        json_writer w;
        json_writer_init(&w, r->home->arenas);
        more = reader_take_batch(r, &w);
        if (!w.is_short && w.out.size > 0) {
            r->wrote_ms = uv_now(r->home->uv);
            http_reply_write(r->x, w.out.data, w.out.size);
        }
        json_writer_free(&w);
    }
}

static void reader_on_look(struct timer *t)
{
    static const char heartbeat[] = ":\n\n";
    feed_reader *r = t->arg;
    home *h = r->home;
    if (h->draining) { /* the client asks the next process */
        http_exchange *x = r->x;
        http_exchange_on_gone(x, NULL);
        reader_free(r);
        http_reply_end(x);
        return;
    }
    reader_write_news(r);
    uint64_t silent_ms = uv_now(h->uv) - r->wrote_ms, every_ms = (uint64_t)h->opt->heartbeat_ms;
    if (every_ms > 0 && silent_ms >= every_ms && http_exchange_flushed(r->x)) {
        r->wrote_ms = uv_now(h->uv);
        http_reply_write(r->x, heartbeat, sizeof heartbeat - 1);
    }
    reader_make_room(r);
    (void)timers_start(&h->timers, t, LOOK_MS);
}

/* ---- The request ---- */

static bool name_is(http_text name, const char *is)
{
    return name.len == strlen(is) && memcmp(name.data, is, name.len) == 0;
}

/* A wish of which the parameters are read. Those that want one run alone want its steps, unless they say. */
typedef struct wish_reading {
    feed_wish wish;
    bool says_steps;
} wish_reading;

/* Sets what one parameter says. Returns NULL, or what is wrong with it. */
static const char *wish_take_parameter(void *arg, const char *name, const char *value)
{
    wish_reading *reading = arg;
    feed_wish *wish = &reading->wish;
    if (strcmp(name, "run") == 0) {
        wish->has_run = run_id_parse(value, strlen(value), &wish->run);
        return wish->has_run ? NULL : "\"run\" is not a run id, which has 26 letters and digits";
    }
    if (strcmp(name, "steps") == 0) {
        reading->says_steps = strcmp(value, "0") == 0 || strcmp(value, "1") == 0;
        wish->with_steps = value[0] == '1';
        return reading->says_steps ? NULL : "\"steps\" is 0 or 1";
    }
    if (strcmp(name, "rate") == 0) {
        wish->rate = list_query_number(value, RATE_MAX);
        return wish->rate > 0 ? NULL : "\"rate\" is how many events a second are told at most: 1 to 1000000";
    }
    return list_query_unknown;
}

/* Returns NULL, or what is wrong with the request: static, or in `wrong`. */
static const char *wish_read(const http_request *q, feed_wish *wish, char wrong[LIST_QUERY_WRONG])
{
    wish_reading reading = {.says_steps = false};
    const char *why = list_query_read(q->query, "run, steps and rate", wish_take_parameter, &reading, wrong);
    *wish = reading.wish;
    if (!reading.says_steps) wish->with_steps = wish->has_run;
    return why;
}

/* NULL: no memory. */
static feed_reader *reader_new(home *h, http_exchange *x, const feed_wish *wish)
{
    feed_reader *r = malloc(sizeof *r);
    if (!r) return NULL;
    *r = (feed_reader){.home = h, .x = x, .wish = *wish, .allowance = WHOLE_EVENT, .wrote_ms = uv_now(h->uv)};
    r->look = (struct timer){.fn = reader_on_look, .arg = r, .has_reserve = true};
    if (timers_reserve(&h->timers, 1)) {
        if (feed_listen(&h->app->feed, &r->wish, &r->cursor)) return r;
        timers_unreserve(&h->timers, 1);
    }
    free(r);
    return NULL;
}

void feed_reader_begin(home *h, http_exchange *x)
{
    static const http_reply_header head[] = {{"Content-Type", "text/event-stream"}, {"X-Accel-Buffering", "no"}};
    static const char begin[] = ":\n\n"; /* the head leaves with it, and the client knows that it listens */
    const http_request *q = http_exchange_request(x);
    feed_wish wish;
    char wrong[LIST_QUERY_WRONG];
    const char *why = wish_read(q, &wish, wrong);
    if (why) {
        problem_reply(x, 400, why, NULL);
        return;
    }
    if (name_is(q->method, "HEAD")) {
        http_reply(x, 200, head, sizeof head / sizeof *head, (http_text){"", 0});
        return;
    }
    feed_reader *r = h->draining ? NULL : reader_new(h, x, &wish);
    if (!r) {
        problem_reply(x, 503, h->draining ? "the server is stopping: ask again" : "out of memory", "1");
        return;
    }
    http_exchange_set_user(x, r);
    http_exchange_on_gone(x, reader_on_gone);
    http_reply_begin(x, 200, head, sizeof head / sizeof *head);
    http_reply_write(x, begin, sizeof begin - 1);
    reader_make_room(r);
    (void)timers_start(&h->timers, &r->look, LOOK_MS);
}
