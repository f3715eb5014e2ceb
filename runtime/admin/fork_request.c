#include "runtime/admin/fork_request.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/admin/body.h"
#include "runtime/admin/inquiry.h"
#include "runtime/base/json.h"
#include "runtime/base/json_writer.h"
#include "runtime/base/problem.h"
#include "runtime/clients/idempotency.h"
#include "runtime/clients/run_url.h"
#include "runtime/run/fork.h"

/* A request whose run is being looked at. */
typedef struct fork_request {
    inquiry base;
    run_id run;
} fork_request;

enum { PATH_DIGITS = 16, BODY_BYTES = RUN_URL_MAX + 128 };

/* ---- What a fork would do ---- */

static const char *kind_text(uint16_t kind)
{
    switch (kind) {
    case ENTRY_SLEEP:
        return "sleep";
    case ENTRY_VALUE:
        return "value";
    case ENTRY_WAIT:
        return "wait";
    case ENTRY_CALLED:
        return "call";
    case ENTRY_SENT:
        return "signal";
    default:
        return "step";
    }
}

/* Whether the entry stands for something that a person counts: a step, a sleep, a value, a signal sent, once. */
static bool entry_is_told(const fork_entry *e, fork_fate fate)
{
    bool is_one = e->kind == ENTRY_STEP_DONE || e->kind == ENTRY_STEP_FAILED || e->kind == ENTRY_SLEEP ||
                  e->kind == ENTRY_WAIT || e->kind == ENTRY_CALLED || e->kind == ENTRY_VALUE || e->kind == ENTRY_SENT ||
                  (fate == FORK_AGAIN && (e->is_inside || e->kind == ENTRY_ROLLBACK));
    return e->fate == fate && is_one;
}

static void put_operation(json_writer *w, const fork_entry *of, entry_text journal)
{
    char path[PATH_DIGITS + 1];
    const char *ignored = NULL;
    entry e;
    size_t n = entry_decode(journal.data + of->at, of->len, &e, &ignored);
    assert(n == of->len);
    (void)n;
    (void)snprintf(path, sizeof path, "%016llx", (unsigned long long)e.path);
    json_open_map(w, NULL);
    json_put_text(w, "kind", kind_text(of->kind));
    json_put_text(w, "path", path);
    json_put_bytes(w, "id", e.id.data, e.id.len);
    if (e.occurrence) json_put_int(w, "occurrence", e.occurrence);
    if (e.kind == ENTRY_CALLED) json_put_bytes(w, "function", e.function.data, e.function.len);
    if (e.kind == ENTRY_CALLED && e.detached) json_put_bool(w, "detached", true);
    json_close_map(w);
}

static void put_operations(json_writer *w, const char *name, const fork_result *r, fork_fate fate)
{
    json_open_array(w, name);
    for (uint32_t i = 0; i < r->choice->count; i++)
        if (entry_is_told(&r->choice->entries[i], fate)) put_operation(w, &r->choice->entries[i], r->journal);
    json_close_array(w);
}

static void put_plan(json_writer *w, const fork_request *q, const fork_result *r)
{
    char id[RUN_ID_TEXT + 1];
    run_id_format(&q->run, id);
    json_open_map(w, NULL);
    json_put_text(w, "forkedFrom", id);
    json_put_int(w, "entries", 1 + r->choice->copied);
    put_operations(w, "copied", r, FORK_COPIED);
    put_operations(w, "again", r, FORK_AGAIN);
    json_close_map(w);
}

static void request_answer_plan(fork_request *q, const fork_result *r)
{
    json_writer w;
    json_writer_init(&w, q->base.home->arenas);
    put_plan(&w, q, r);
    inquiry_answer(&q->base, &w);
}

/* ---- What has begun ---- */

/* On the stack: a 503 for want of memory would say that nothing has begun. */
static void request_answer_begun(fork_request *q, const fork_result *result)
{
    char id[RUN_ID_TEXT + 1], source[RUN_ID_TEXT + 1], url[RUN_URL_MAX], body[BODY_BYTES];
    const http_reply_header headers[] = {{"Content-Type", "application/json"}, {"Idempotency-Replayed", "true"}};
    run_id_format(result->fork, id);
    run_id_format(&q->run, source);
    run_url(q->base.home, &(run_link){.run = result->fork, .what = "output", .scope = RUN_TOKEN_READ}, url);
    int len =
        snprintf(body, sizeof body, "{\"runId\":\"%s\",\"forkedFrom\":\"%s\",\"outputUrl\":\"%s\"}\n", id, source, url);
    assert(len > 0 && (size_t)len < sizeof body);
    http_reply(q->base.x, 202, headers, result->is_replayed ? 2 : 1, (http_text){body, (size_t)len});
    free(q);
}

static void request_refuse_key(fork_request *q)
{
    idempotency_refuse_other(q->base.x);
    free(q);
}

static void request_on_done(void *arg, const fork_result *result)
{
    fork_request *q = arg;
    if (result->status == 202)
        request_answer_begun(q, result);
    else if (result->status == 200)
        request_answer_plan(q, result);
    else if (result->is_other)
        request_refuse_key(q);
    else
        inquiry_refuse(&q->base, result->status, result->detail, result->retry_after);
}

/* ---- The request ---- */

/* False: it is no path. */
static bool read_path(sw_value v, uint64_t *path)
{
    char text[PATH_DIGITS + 1];
    if (v.type == MSGPACK_OBJECT_NIL) return true;
    if (v.type != MSGPACK_OBJECT_STR || v.via.str.size != PATH_DIGITS) return false;
    for (size_t i = 0; i < PATH_DIGITS; i++)
        if (!isxdigit((unsigned char)v.via.str.ptr[i])) return false;
    memcpy(text, v.via.str.ptr, PATH_DIGITS);
    text[PATH_DIGITS] = 0;
    *path = strtoull(text, NULL, 16);
    return *path != 0;
}

/* A text is the body itself, any other value its JSON. False: no memory. */
static bool read_body(arena *a, sw_value v, fork_wish *wish)
{
    sw_bytes json;
    wish->has_body = v.type != MSGPACK_OBJECT_NIL;
    if (!wish->has_body) return true;
    if (v.type == MSGPACK_OBJECT_STR) {
        wish->body = (entry_text){v.via.str.ptr, v.via.str.size};
        return true;
    }
    if (!json_write(a, v, &json)) return false;
    wish->body = (entry_text){json.data, json.len};
    return true;
}

/* False: the exchange has its answer. */
static bool fork_read_wish(http_exchange *x, arena *a, fork_wish *wish)
{
    static const char no_path[] =
        "\"from\" is the path of a step, sleep, wait or branch: 16 hexadecimal digits; or null, for the whole run";
    sw_value from, body, dry;
    const body_member members[] = {{"from", SW_NIL, &from}, {"body", SW_NIL, &body}, {"dryRun", SW_BOOL, &dry}};
    if (!body_read(x, a, members, 3)) return false;
    wish->is_dry = sw_as_bool(dry, false);
    bool is_path = read_path(from, &wish->from), has_memory = is_path && read_body(a, body, wish);
    if (!is_path)
        problem_reply(x, 400, no_path, NULL);
    else if (!has_memory)
        problem_reply(x, 503, "out of memory", "5");
    return is_path && has_memory;
}

/* Takes the exchange. */
static void fork_request_begin(home *h, http_exchange *x, const fork_wish *wish)
{
    fork_request *q = inquiry_new(h, x, sizeof *q);
    if (!q) return;
    q->run = wish->run;
    fork_begin(h, wish, request_on_done, q);
}

void fork_request_answer(home *h, http_exchange *x, const run_id *id, const char *by)
{
    arena a;
    uint8_t key_hash[STORE_KEY_BYTES];
    fork_wish wish = {.run = *id, .by = by};
    arena_init(&a, h->arenas);
    bool is_read = fork_read_wish(x, &a, &wish);
    if (is_read && idempotency_count(x) > 0) {
        is_read = idempotency_read(x, "POST /_sw/runs/:id/fork", by, key_hash);
        wish.key_hash = key_hash;
    }
    if (is_read) fork_request_begin(h, x, &wish);
    arena_free(&a);
}
