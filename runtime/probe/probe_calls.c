/* probe_calls: the calls of an execution under --prove: each is reported, and answered from the tape or really made.
 * Owns the open calls of a first execution, until their answers are reported. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "runtime/probe/call_fact.h"
#include "runtime/probe/probe_core.h"
#include "runtime/run/home.h"
#include "runtime/run/run.h"
#include "runtime/run/step_key.h"

/* A call of the first execution that is open: the other executions need its answer. */
typedef struct open_call {
    struct open_call *next;
    http_call *call;
    uint64_t run, path;
    uint32_t attempt, number;
    msgpack_sbuffer body; /* what a stream's reader has consumed; owned */
} open_call;

static open_call *open_calls;

/* ---- Asking ---- */

static bool text_has_key(const char *data, size_t len, const char *key)
{
    return data && memmem(data, len, key, STEP_KEY_TEXT) != NULL;
}

static bool sends_step_key(const sw_ctx *c, const http_call_options *o)
{
    char key[STEP_KEY_TEXT + 1];
    step_key(&c->run->id, c->path, key);
    bool found = text_has_key(o->url, strlen(o->url), key) || text_has_key(o->body, o->body_len, key);
    for (const char *const *h = o->headers; h && *h && !found; h++) found = text_has_key(*h, strlen(*h), key);
    return found;
}

/* Returns the value of the call's Idempotency-Key header, or "". */
static const char *call_idempotency_key(const http_call_options *o)
{
    for (const char *const *h = o->headers; h && *h; h++)
        if (header_is(*h, "Idempotency-Key")) return header_value(*h);
    return "";
}

/* Returns the request's headers, without values that may be secrets. NULL: out of memory. */
static const char *const *shown_headers(arena *a, const http_call_options *o)
{
    size_t n = 0;
    while (o->headers && o->headers[n]) n++;
    const char **list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; i < n && list; i++) {
        const char *h = o->headers[i];
        list[i] = call_header_shown(h) ? h : arena_printf(a, "%.*s: (not recorded)", (int)strcspn(h, ":"), h);
        if (!list[i]) return NULL;
    }
    return list;
}

/* Returns the URL without user and password. NULL: out of memory. */
static const char *shown_url(arena *a, const char *url)
{
    const char *scheme_end = strstr(url, "://"), *host = scheme_end ? scheme_end + 3 : url;
    const char *end = host + strcspn(host, "/?#"), *at = memrchr(host, '@', (size_t)(end - host));
    return at ? arena_printf(a, "%.*s%s", (int)(host - url), url, at + 1) : url;
}

static bool call_describe(arena *a, const http_call_options *o, msgpack_sbuffer *to)
{
    const char *method = http_call_method(o);
    call_asked q = {.method = method,
                    .url = shown_url(a, o->url),
                    .headers = shown_headers(a, o),
                    .key = call_idempotency_key(o),
                    .body_hash = XXH3_64bits(o->body, o->body ? o->body_len : 0),
                    .body_len = o->body_len};
    return q.url && q.headers && call_asked_pack(to, &q);
}

/* ---- Answers of the tape ---- */

static http_call *call_answer_from_tape(sw_ctx *c, arena *a, const fact *recorded, void (*on_change)(void *arg),
                                        void *arg)
{
    assert(recorded->kind == FACT_CALL);
    http_canned answer = {.never = true}; /* the recording has the call, and its attempt ended without an answer */
    fact wanted = *recorded;
    wanted.kind = FACT_ANSWER;
    const fact *f = tape_find(probe_active_plan.tape, &wanted);
    if (f && !call_answer_read(a, f->data, &answer)) return NULL;
    return http_call_canned(c->task->home->client, &answer, on_change, arg);
}

static http_call *call_refuse(sw_ctx *c, arena *a, const http_call_options *o, void (*on_change)(void *arg), void *arg)
{
    assert(!probe_active_plan.may_call);
    const char *method = http_call_method(o);
    http_canned answer = {.error = HTTP_CALL_BAD_URL,
                          .error_text = arena_printf(a, "%s %s is not in the recording", method, shown_url(a, o->url))};
    return http_call_canned(c->task->home->client, &answer, on_change, arg);
}

/* ---- Calls that are really made ---- */

static void open_call_add(http_call *call, const fact *asked)
{
    open_call *o = call ? calloc(1, sizeof *o) : NULL;
    if (!o) return;
    assert(asked->kind == FACT_CALL);
    assert(asked->number > 0);
    *o = (open_call){.next = open_calls,
                     .call = call,
                     .run = asked->run,
                     .path = asked->path,
                     .attempt = asked->attempt,
                     .number = asked->number};
    open_calls = o;
}

http_call *probe_call(sw_ctx *c, const http_call_options *o, void (*on_change)(void *arg), void *arg)
{
    arena a;
    msgpack_sbuffer bytes = {.size = 0};
    http_call *call = NULL;
    if (!c->run) return http_call_start(c->task->home->client, o, on_change, arg);
    assert(c->kind == CTX_STEP); /* a call outside steps is refused before */
    fact f = probe_fact(c, FACT_CALL);
    f.number = ++c->prove_calls;
    if (sends_step_key(c, o)) f.flags |= FACT_STEP_KEY;
    arena_init(&a, NULL);
    if (call_describe(&a, o, &bytes)) {
        f.data = (entry_text){bytes.data, bytes.size};
        const fact *recorded = tape_call(probe_active_plan.tape, &f);
        if (!recorded && !probe_active_plan.may_call) f.flags |= FACT_UNKNOWN;
        fact_tell(&f);
        call = recorded                     ? call_answer_from_tape(c, &a, recorded, on_change, arg)
               : probe_active_plan.may_call ? http_call_start(c->task->home->client, o, on_change, arg)
                                            : call_refuse(c, &a, o, on_change, arg);
    }
    if (probe_active_plan.is_first) open_call_add(call, &f);
    msgpack_sbuffer_destroy(&bytes);
    arena_free(&a);
    return call;
}

static open_call **open_call_find(const http_call *call)
{
    open_call **at = &open_calls;
    while (*at && (*at)->call != call) at = &(*at)->next;
    return at;
}

void probe_call_consume(http_call *call, size_t len)
{
    open_call *o = *open_call_find(call);
    size_t have = 0;
    const char *data = http_call_data(call, &have);
    if (o && len > 0 && len <= have) (void)msgpack_sbuffer_write(&o->body, data, len);
}

static void open_call_tell_answer(const open_call *o)
{
    http_call *call = o->call;
    assert(probe_active_plan.is_first);
    assert(http_call_state_of(call) != HTTP_CALL_RUNNING);
    bool failed = http_call_state_of(call) == HTTP_CALL_FAILED;
    msgpack_sbuffer bytes = {.size = 0};
    http_canned answer = {.error = failed ? http_call_error(call) : HTTP_CALL_OK,
                          .error_text = failed ? http_call_error_text(call) : NULL,
                          .status = http_call_answered(call) ? http_call_status(call) : 0,
                          .headers = http_call_headers(call),
                          .body = o->body.data,
                          .body_len = o->body.size};
    if (call_answer_pack(&bytes, &answer))
        fact_tell(&(fact){.kind = FACT_ANSWER,
                          .run = o->run,
                          .path = o->path,
                          .attempt = o->attempt,
                          .number = o->number,
                          .data = {bytes.data, bytes.size}});
    msgpack_sbuffer_destroy(&bytes);
}

void probe_call_close(http_call *call)
{
    open_call **at = open_call_find(call), *o = *at;
    if (!o) return;
    *at = o->next;
    size_t left = 0;
    const char *data = http_call_data(call, &left);
    if (left > 0) (void)msgpack_sbuffer_write(&o->body, data, left);
    if (http_call_state_of(call) != HTTP_CALL_RUNNING) open_call_tell_answer(o);
    msgpack_sbuffer_destroy(&o->body);
    free(o);
}
