/* waiter_answer: gives the response of a run that is over to everybody who waits for it: as the run has it, or out of
 * the journal. */
#include <assert.h>
#include <string.h>

#include "runtime/base/problem.h"
#include "runtime/base/value.h"
#include "runtime/clients/waiter_core.h"
#include "runtime/run/home.h"
#include "runtime/run/replay.h"

/* ---- To one ---- */

/* Returns our headers, then those of the journal's [name, value, ...], in the arena. NULL: no memory, or the journal's
 * cannot be read. */
static http_reply_header *response_headers(arena *a, const waiter *w, const entry *response, size_t *count)
{
    sw_value flat = {.type = MSGPACK_OBJECT_ARRAY};
    const char *error = NULL;
    const entry_text *packed = &response->headers;
    if (packed->len > 0 && !value_unpack(a, packed->data, packed->len, &flat, &error)) return NULL;
    if (flat.type != MSGPACK_OBJECT_ARRAY) return NULL;
    size_t pairs = flat.via.array.size / 2, n = 0;
    http_reply_header *headers = arena_alloc(a, (pairs + OWN_HEADERS) * sizeof *headers);
    char *id = arena_alloc(a, RUN_ID_TEXT + 1);
    if (!headers || !id) return NULL;
    run_id_format(&w->id, id);
    headers[n++] = (http_reply_header){"X-Run-Id", id};
    if (w->wish.replayed) headers[n++] = (http_reply_header){"Idempotency-Replayed", "true"};
    for (size_t i = 0; i < pairs; i++, n++) {
        const msgpack_object *name = &flat.via.array.ptr[2 * i], *value = name + 1;
        if (name->type != MSGPACK_OBJECT_STR || value->type != MSGPACK_OBJECT_STR) return NULL;
        headers[n].name = arena_strndup(a, name->via.str.ptr, name->via.str.size);
        headers[n].value = arena_strndup(a, value->via.str.ptr, value->via.str.size);
        if (!headers[n].name || !headers[n].value) return NULL;
    }
    assert(n <= pairs + OWN_HEADERS);
    *count = n;
    return headers;
}

static void waiter_send_response(waiter *w, const entry *response)
{
    arena a;
    size_t n = 0;
    arena_init(&a, w->home->arenas);
    const http_reply_header *headers = response_headers(&a, w, response, &n);
    if (headers)
        http_reply(waiter_take_exchange(w), response->status, headers, n,
                   (http_text){response->body.data, response->body.len});
    else
        waiter_send_on(w, 303); /* no memory: the response is in the journal, and its client may ask again */
    arena_free(&a);
}

/* Sends the beginning as a former worker has sent it, and the body out of the journal. */
static void waiter_send_rest(waiter *w, const entry *response)
{
    http_exchange *x = w->x;
    assert(w->rest.body_follows);
    http_reply_resume(x, &w->rest);
    http_reply_write(x, response->body.data, response->body.len);
    http_reply_end(waiter_take_exchange(w));
}

static void waiter_refuse_ended(waiter *w, entry_ended ended)
{
    static const char *const ends[] = {[ENTRY_SUCCEEDED] = "the run has ended already: it succeeded",
                                       [ENTRY_FAILED] = "the run has ended already: it failed",
                                       [ENTRY_CANCELLED] = "the run has ended already: it was cancelled"};
    problem_reply(waiter_take_exchange(w), 409, ends[ended <= ENTRY_CANCELLED ? ended : ENTRY_FAILED], NULL);
}

static void waiter_answer_cancel(waiter *w, entry_ended ended)
{
    if (ended == ENTRY_CANCELLED)
        waiter_send_state(w, 200, "cancelled");
    else
        waiter_refuse_ended(w, ended);
}

static void waiter_answer_whole(waiter *w, const run_result *result)
{
    switch (w->wish.kind) {
    case WAITER_ASYNC:
        waiter_send_on(w, 202);
        return;
    case WAITER_CANCEL:
        waiter_answer_cancel(w, result->ended);
        return;
    case WAITER_RELEASE:
    case WAITER_STOP:
        waiter_refuse_ended(w, result->ended);
        return;
    case WAITER_REST:
        waiter_send_rest(w, result->response);
        return;
    default:
        assert(w->wish.kind != WAITER_STREAM);
        waiter_send_response(w, result->response);
    }
}

/* `f` NULL: no memory. */
static void waiter_answer_stream(waiter *w, const run_result *result, frames *f)
{
    if (f && (frames_closed(f) || frames_close(f, result->response, result->ended)))
        waiter_stream_answer(w, f);
    else
        http_reply_abort(waiter_take_exchange(w)); /* the client reads again, out of the journal */
}

/* ---- To all ---- */

void waiters_answer(home *h, waiter **list, const run_id *id, const run_result *result)
{
    frames *own = NULL; /* of a run that has streamed nothing: its response alone */
    while (*list) {
        waiter *w = *list;
        assert(run_id_equal(&w->id, id));
        if (w->wish.kind != WAITER_STREAM) {
            waiter_answer_whole(w, result);
            continue;
        }
        if (!result->frames && !own) own = frames_new(h->arenas);
        waiter_answer_stream(w, result, result->frames ? result->frames : own);
    }
    frames_unref(own);
}

static bool waiters_want_frames(const waiter *list)
{
    while (list && list->wish.kind != WAITER_STREAM) list = list->next;
    return list != NULL;
}

static void rebuild_on_entry(void *arg, const entry *e, uint32_t seq) { frames_build(arg, e, seq); }

void waiters_answer_journal(home *h, waiter **list, const store_journal *journal, const char **error)
{
    arena a;
    arena_init(&a, h->arenas);
    bool wants = waiters_want_frames(*list);
    frames_builder b = {.arenas = h->arenas};
    *error = NULL;
    const replay *p =
        replay_new(&a, (entry_text){journal->data, journal->len}, wants ? rebuild_on_entry : NULL, &b, error);
    const entry *response = p ? replay_response(p) : NULL, *ended = p ? replay_ended(p) : NULL;
    if (b.failed && p) {
        *error = replay_no_memory;
    } else if (response && ended) {
        const run_result result = {response, (entry_ended)ended->status, b.frames};
        *error = NULL;
        waiters_answer(h, list, &journal->run, &result);
    } else if (p) {
        *error = "the run ended without a response";
    }
    frames_unref(b.frames);
    arena_free(&a);
}
