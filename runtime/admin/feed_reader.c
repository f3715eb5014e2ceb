#include "runtime/admin/feed_reader.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/uri.h"
#include "runtime/base/json_writer.h"
#include "runtime/base/problem.h"
#include "runtime/run/feed.h"
#include "runtime/run/program.h"

enum {
    LOOK_MS = 50,           /* between two looks at the ring */
    BATCH_EVENTS = 64,      /* copied at a time */
    LOOK_EVENTS_MAX = 2048, /* in one look; more wait for the next one, or are lost */
    RATE_MAX = 1000000,
    QUERY_BYTES = 256,
    PATH_TEXT = 17
};

/* What the client wants to hear. */
typedef struct feed_wish {
    bool has_run;
    run_id run;      /* with has_run: of this run alone */
    bool with_steps; /* also what happens to steps */
    uint32_t rate;   /* events a second that it wants at most; 0: all */
} feed_wish;

typedef struct feed_reader {
    home *home;
    http_exchange *x;
    feed_wish wish;
    uint64_t cursor, lost; /* lost: and not told yet */
    size_t look_told;      /* events told in this look */
    uint64_t wrote_ms;     /* the uv loop's time */
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
    feed_leave(&h->app->feed);
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

/* How many events the client wants to be told in one look. */
static size_t reader_look_most(const feed_reader *r)
{
    if (r->wish.rate == 0) return LOOK_EVENTS_MAX;
    size_t most = (size_t)r->wish.rate * LOOK_MS / 1000;
    return most > 0 ? most : 1;
}

/* Copies a batch of events out of the ring as text. False: there are no more. */
static bool reader_take_batch(feed_reader *r, json_writer *w)
{
    feed_event events[BATCH_EVENTS];
    uint64_t lost = 0, passed_over = 0;
    size_t n = feed_read(&r->home->app->feed, &r->cursor, events, BATCH_EVENTS, &lost), most = reader_look_most(r);
    r->lost += lost;
    if (r->lost > 0) reader_put_lost(w, r->lost);
    for (size_t i = 0; i < n; i++) {
        if (!reader_wants(r, &events[i])) continue;
        if (r->look_told == most) {
            passed_over++;
        } else {
            r->look_told++;
            reader_put_event(w, &events[i]);
        }
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
    r->look_told = 0;
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
    (void)timers_start(&h->timers, t, LOOK_MS);
}

/* ---- The request ---- */

static bool name_is(http_text name, const char *is)
{
    return name.len == strlen(is) && memcmp(name.data, is, name.len) == 0;
}

/* False: the text is no number of events that the feed could tell in a second. */
static bool reader_read_rate(const char *text, uint32_t *rate)
{
    char *end = NULL;
    unsigned long n = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    *rate = (uint32_t)n;
    return n >= 1 && n <= RATE_MAX && *end == 0;
}

/* NULL, or what is wrong with the request. */
static const char *reader_read_wish(const http_request *q, feed_wish *wish)
{
    char value[QUERY_BYTES] = "";
    http_text name, text;
    *wish = (feed_wish){.has_run = false};
    if (q->query.len >= sizeof value) return "the query is too long: the feed takes \"run\", \"steps\" and \"rate\"";
    for (size_t at = 0; uri_query_next(q->query, &at, &name, &text);)
        if (!name_is(name, "run") && !name_is(name, "steps") && !name_is(name, "rate"))
            return "the feed takes \"run\", \"steps\" and \"rate\" and no other parameter";
    wish->has_run = uri_query(q->query.data, q->query.len, "run", value);
    if (wish->has_run && !run_id_parse(value, strlen(value), &wish->run)) return "\"run\" is not a run id";
    wish->with_steps = wish->has_run;
    if (uri_query(q->query.data, q->query.len, "rate", value) && !reader_read_rate(value, &wish->rate))
        return "\"rate\" is how many events a second are told at most: 1 to 1000000";
    if (!uri_query(q->query.data, q->query.len, "steps", value)) return NULL;
    if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0) return "\"steps\" is 0 or 1";
    wish->with_steps = value[0] == '1';
    return NULL;
}

/* NULL: no memory. */
static feed_reader *reader_new(home *h, http_exchange *x, const feed_wish *wish)
{
    feed_reader *r = malloc(sizeof *r);
    if (!r) return NULL;
    *r = (feed_reader){.home = h, .x = x, .wish = *wish, .wrote_ms = uv_now(h->uv)};
    r->look = (struct timer){.fn = reader_on_look, .arg = r, .has_reserve = true};
    if (timers_reserve(&h->timers, 1)) {
        if (feed_listen(&h->app->feed, &r->cursor)) return r;
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
    const char *wrong = reader_read_wish(q, &wish);
    if (wrong) {
        problem_reply(x, 400, wrong, NULL);
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
    (void)timers_start(&h->timers, &r->look, LOOK_MS);
}
