#include "runtime/clients/waiter.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/base/problem.h"
#include "runtime/clients/keeper.h"
#include "runtime/clients/run_url.h"
#include "runtime/clients/waiter_core.h"
#include "runtime/run/home.h"
#include "runtime/run/program.h"
#include "runtime/run/run_token.h"

void waiter_unlink(waiter *w)
{
    assert(*w->link == w || BUG(LOSE_WAITER));
    assert(!w->next || w->next->link == &w->next);
    *w->link = w->next;
    if (w->next) w->next->link = w->link;
}

void waiter_link(waiter *w, waiter **list)
{
    w->next = *list;
    w->link = list;
    if (w->next) w->next->link = &w->next;
    *list = w;
}

static void waiter_free(waiter *w)
{
    timers_stop(&w->home->timers, &w->hold);
    timers_unreserve(&w->home->timers, 1);
    waiter_unlink(w);
    keeper_remove(w->home->keeper, &w->keep);
    frames_unref(w->frames);
    free((char *)(uintptr_t)w->rest.data.data);
    free(w->stop_detail);
    free(w);
}

http_exchange *waiter_take_exchange(waiter *w)
{
    http_exchange *x = w->x;
    assert(http_exchange_user(x) == w);
    http_exchange_on_gone(x, NULL);
    http_exchange_on_half_closed(x, NULL);
    http_exchange_set_user(x, NULL);
    waiter_free(w);
    return x;
}

/* ---- Clients that go ---- */

static void waiter_on_gone(http_exchange *x)
{
    waiter *w = http_exchange_user(x);
    assert(w && w->x == x);
    home *h = w->home;
    run_id id = w->id;
    bool over = w->over;
    http_reply_abort(waiter_take_exchange(w));
    if (!over) slot_client_gone(h, &id);
}

void waiter_report_missed(home *h, const uint8_t note[HTTP_MISSED_NOTE_BYTES])
{
    run_id id;
    _Static_assert(sizeof id.bytes == HTTP_MISSED_NOTE_BYTES, "the note is the run's id");
    memcpy(id.bytes, note, sizeof id.bytes);
    slot_client_missed(h, &id);
}

/* A client of HTTP/1.0 has sent its last byte, and nobody can tell whether it reads on: it may still get its answer,
 * but a run that ends with its clients counts it as gone. */
static void waiter_on_half_closed(http_exchange *x)
{
    waiter *w = http_exchange_user(x);
    assert(w && w->x == x);
    if (!w->asks) return;
    w->asks = false;
    slot_client_gone(w->home, &w->id);
}

/* ---- URLs ---- */

void waiter_run_url(const waiter *w, const char *what, run_token_scope scope, char out[URL_MAX_BYTES])
{
    assert(w->scope == RUN_TOKEN_READ || w->scope == RUN_TOKEN_CONTROL);
    scope = w->scope == RUN_TOKEN_READ ? RUN_TOKEN_READ : scope;
    run_url(w->home, &(run_link){.run = &w->id, .what = what, .scope = scope, .host = w->host}, out);
}

/* Writes the URL where a stream goes on behind what this client has. */
static void waiter_stream_url(const waiter *w, char out[URL_MAX_BYTES])
{
    waiter_run_url(w, "stream", RUN_TOKEN_CONTROL, out);
    size_t len = strlen(out);
    (void)snprintf(out + len, URL_MAX_BYTES - len, "&after=%u", w->cursor);
}

/* Each round has a URL of its own, since some clients give up when they are sent to a URL a second time. */
static void waiter_output_url(const waiter *w, char out[URL_MAX_BYTES])
{
    waiter_run_url(w, "output", RUN_TOKEN_CONTROL, out);
    size_t len = strlen(out);
    if (w->wish.kind == WAITER_OUTPUT) (void)snprintf(out + len, URL_MAX_BYTES - len, "&round=%u", w->round + 1);
}

/* ---- Sending on ---- */

/* Before a client is sent on: the run no longer ends with it (SW_CANCEL), for it may come back by the URL. A client
 * that came by a URL of the run, not by a request of its own, was never tied to it. */
static void waiter_mark_sent_on(const waiter *w)
{
    bool shown =
        w->keyed || w->wish.kind == WAITER_ASYNC || w->wish.kind == WAITER_WAIT; /* a key, Prefer, or who began it */
    bool was_there = w->asks && !http_exchange_gone(w->x);
    bool was_tied = was_there ? slot_client_sent_on(w->home, &w->id, shown) : w->asks;
    if (was_tied && !w->keyed) http_exchange_set_missed_note(w->x, w->id.bytes);
}

void waiter_send_on(waiter *w, int status)
{
    char url[URL_MAX_BYTES], id[RUN_ID_TEXT + 1], applied[48];
    assert(status == 303 || status == 202);
    assert(!w->begun);
    if (w->wish.kind == WAITER_STREAM)
        waiter_stream_url(w, url);
    else
        waiter_output_url(w, url);
    run_id_format(&w->id, id);
    http_reply_header headers[2 + OWN_HEADERS] = {{"Location", url}, {"X-Run-Id", id}};
    size_t n = 2;
    char body[3 * URL_MAX_BYTES] = "";
    if (status == 202) {
        (void)snprintf(applied, sizeof applied, "respond-async");
        if (w->wish.wait_ms > 0)
            (void)snprintf(applied, sizeof applied, "wait=%lld", (long long)w->wish.wait_ms / 1000);
        headers[n++] = (http_reply_header){"Preference-Applied", applied};
        headers[n++] = (http_reply_header){"Content-Type", "application/json"};
        char read_url[URL_MAX_BYTES];
        waiter_run_url(w, "output", RUN_TOKEN_READ, read_url);
        _Static_assert(sizeof body >= 2 * URL_MAX_BYTES + RUN_ID_TEXT + 64, "two URLs, an id, and three names");
        (void)snprintf(body, sizeof body, "{\"runId\":\"%s\",\"outputUrl\":\"%s\",\"readUrl\":\"%s\"}\n", id, url,
                       read_url);
    }
    if (w->wish.replayed) headers[n++] = (http_reply_header){"Idempotency-Replayed", "true"};
    assert(n <= sizeof headers / sizeof *headers);
    waiter_mark_sent_on(w);
    http_reply(waiter_take_exchange(w), status, headers, n, (http_text){body, strlen(body)});
}

void waiter_send_state(waiter *w, int status, const char *state)
{
    char id[RUN_ID_TEXT + 1], body[128];
    run_id_format(&w->id, id);
    const http_reply_header headers[] = {{"Content-Type", "application/json"}, {"X-Run-Id", id}};
    (void)snprintf(body, sizeof body, "{\"runId\":\"%s\",\"status\":\"%s\"}\n", id, state);
    http_reply(waiter_take_exchange(w), status, headers, 2, (http_text){body, strlen(body)});
}

/* ---- To all of a list ---- */

void waiters_accept(waiter **list)
{
    for (waiter *w = *list, *next; w; w = next) {
        next = w->next;
        if (w->wish.kind == WAITER_ASYNC) waiter_send_on(w, 202);
    }
}

void waiters_pump(waiter **list, frames *f)
{
    waiters_accept(list);
    for (waiter *w = *list, *next; w; w = next) {
        next = w->next;
        if (w->wish.kind != WAITER_STREAM) continue;
        w->stopped = w->told = STOP_NONE;
        waiter_stream_give(w, f);
        waiter_stream_pump(w);
    }
}

void waiters_redirect(waiter **list)
{
    for (waiter *w = *list, *next; w; w = next) {
        next = w->next;
        if (w->wish.kind == WAITER_REQUEST) waiter_send_on(w, 303);
    }
}

/* Leaves the client to the next process, and frees the waiter. False: its connection cannot be kept. */
static bool waiter_leave_to_next(waiter *w)
{
    if (!http_exchange_kept(w->x)) (void)waiter_keep(&w->keep);
    if (!http_exchange_kept(w->x)) return false;
    http_exchange_leave(waiter_take_exchange(w));
    return true;
}

void waiters_leave_readers(home *h)
{
    for (waiter *w = h->readers, *next; w; w = next) {
        next = w->next;
        (void)waiter_leave_to_next(w);
    }
}

/* Ends a stream with an event that says where it goes on. */
static void waiter_redirect_stream(waiter *w)
{
    char id[RUN_ID_TEXT + 1], url[URL_MAX_BYTES], text[URL_MAX_BYTES + 256];
    run_id_format(&w->id, id);
    waiter_stream_url(w, url);
    int n =
        snprintf(text, sizeof text, "id: %u\nevent: inngest.redirect_info\ndata: {\"runId\":\"%s\",\"url\":\"%s\"}\n\n",
                 w->cursor, id, url);
    assert(n > 0);
    assert((size_t)n < sizeof text);
    waiter_mark_sent_on(w);
    http_reply_write(w->x, text, (size_t)n);
    http_reply_end(waiter_take_exchange(w));
}

/* A client that has got a part of its reply, and that is not left to a process that replaces this one. */
static void waiter_dismiss_begun(waiter *w)
{
    bool released = w->wish.kind != WAITER_REST && http_exchange_unkeep(w->x);
    if (!released && w->home->followed && http_exchange_kept(w->x)) /* what the supervisor has of it is still true */
        http_exchange_leave(waiter_take_exchange(w));
    else if (w->wish.kind == WAITER_REST || !http_exchange_caught_up(w->x))
        http_reply_abort(waiter_take_exchange(w));
    else
        waiter_redirect_stream(w);
}

void waiters_dismiss(waiter **list)
{
    while (*list) {
        waiter *w = *list;
        bool is_original = w->wish.kind == WAITER_ASYNC || w->wish.kind == WAITER_WAIT;
        if (waiter_kind_steers(w->wish.kind))
            problem_reply(waiter_take_exchange(w), 503, "the server is stopping: ask again", "1");
        else if (w->home->replaced && waiter_leave_to_next(w))
            continue;
        else if (w->begun)
            waiter_dismiss_begun(w);
        else /* also streams: the published client follows only one redirect_info a stream */
            waiter_send_on(w, is_original ? 202 : 303);
    }
}

void waiters_refuse(waiter **list, int status, const char *detail)
{
    assert(status >= 400);
    while (*list) {
        waiter *w = *list;
        if (w->begun)
            http_reply_abort(waiter_take_exchange(w));
        else
            problem_reply(waiter_take_exchange(w), status, detail, status == 503 ? "5" : NULL);
    }
}

void waiters_cut(waiter **list)
{
    while (*list) http_reply_abort(waiter_take_exchange(*list));
}

/* ---- Lists ---- */

void waiters_move(waiter **from, waiter **to)
{
    assert(from != to);
    assert(!*to);
    *to = *from;
    *from = NULL;
    if (BUG(LOSE_WAITER) && *to) (*to)->next = NULL;
    if (*to) (*to)->link = to;
}

void waiters_move_async(waiter **from, waiter **to)
{
    assert(from != to);
    for (waiter *w = *from, *next; w; w = next) {
        next = w->next;
        if (w->wish.kind != WAITER_ASYNC) continue;
        waiter_unlink(w);
        waiter_link(w, to);
    }
}

bool waiters_none_asks(const waiter *list)
{
    while (list && !list->asks) list = list->next;
    return list == NULL;
}

/* ---- Attaching ---- */

bool waiter_asks(const request_wish *asked)
{
    waiter_kind kind = asked->answer.kind;
    return !asked->observes && kind != WAITER_OUTPUT && !waiter_kind_steers(kind);
}

/* Copies the beginning of the response that a former worker has sent: `wish` borrows it for the call only. */
static bool waiter_copy_rest(waiter *w)
{
    const http_kept_reply *rest = w->wish.rest;
    w->wish.rest = NULL;
    if (!rest) return true;
    char *data = malloc(rest->data.len + 1);
    if (!data) return false;
    memcpy(data, rest->data.data, rest->data.len);
    w->rest = *rest;
    w->rest.data.data = data;
    return true;
}

waiter *waiter_new(home *h, const request_wish *asked)
{
    const waiter_wish *wish = &asked->answer;
    assert(wish->kind != WAITER_NONE);
    assert(wish->kind != WAITER_REST || wish->rest);
    if (!timers_reserve(&h->timers, 1)) return NULL; /* a client that is held has to be sent on in time */
    waiter *w = calloc(1, sizeof *w);
    if (!w) {
        timers_unreserve(&h->timers, 1);
        return NULL;
    }
    *w = (waiter){.home = h,
                  .wish = *wish,
                  .host = asked->host,
                  .scope = asked->scope,
                  .hold_ms = asked->hold_ms,
                  .round = asked->round,
                  .is_head = asked->is_head,
                  .asks = waiter_asks(asked),
                  .keyed = asked->key_count > 0,
                  .cursor = wish->after,
                  .begun = wish->begun};
    if (waiter_copy_rest(w)) return w;
    waiter_give_up(w);
    return NULL;
}

void waiter_give_up(waiter *w)
{
    assert(!w->link);
    assert(!w->x);
    timers_unreserve(&w->home->timers, 1);
    free((char *)(uintptr_t)w->rest.data.data);
    free(w);
}

void waiter_attach(home *h, waiter **list, const request_wish *asked, http_exchange *x, const run_id *id)
{
    waiter *w = waiter_new(h, asked);
    if (w)
        waiter_join(w, list, x, id);
    else if (asked->answer.begun)
        http_reply_abort(x);
    else
        problem_reply(x, 503, "out of memory", "5");
}

void waiter_join(waiter *w, waiter **list, http_exchange *x, const run_id *id)
{
    home *h = w->home;
    assert(!w->link);
    assert(!w->x);
    w->x = x;
    w->id = *id;
    if (w->wish.since_ms == 0) w->wish.since_ms = clock_steady_ms();
    waiter_link(w, list);
    w->hold = (struct timer){.fn = waiter_on_hold_over, .arg = w, .has_reserve = true};
    http_exchange_set_user(x, w);
    http_exchange_on_gone(x, waiter_on_gone);
    http_exchange_on_half_closed(x, waiter_on_half_closed);
    http_exchange_on_writable(x, waiter_stream_on_writable);
    if (w->wish.kind == WAITER_STREAM) {
        http_exchange_queue_max(x, STREAM_QUEUE_BYTES);
        w->hold.fn = waiter_stream_on_silence;
        w->wrote_ms = uv_now(h->uv);
    }
    int64_t hold = waiter_hold_ms(w);
    assert(hold >= 0);
    if (!http_exchange_kept(x)) keeper_add(h->keeper, &w->keep);
    if (hold > 0) (void)timers_start(&h->timers, &w->hold, (uint64_t)hold);
}
