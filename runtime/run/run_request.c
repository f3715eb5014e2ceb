#include "runtime/run/run_request.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "http/uri.h"
#include "runtime/base/value.h"
#include "runtime/run/begun.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/function_input.h"
#include "runtime/run/home.h"
#include "runtime/run/plain.h"
#include "runtime/run/record.h"
#include "runtime/run/run_trace.h"

static const char *const headers_journaled[] = {"accept", "content-type",    "user-agent",
                                                "prefer", "idempotency-key", NULL};

static bool name_is_in(const char *const *list, const char *name)
{
    for (; list && *list; list++)
        if (strcasecmp(*list, name) == 0) return true;
    return false;
}

/* Whether the handler sees the header: a run those that are journaled, a plain request all. */
static bool task_sees_header(const task *t, const http_header *h)
{
    return !t->run || name_is_in(headers_journaled, h->name.data) ||
           name_is_in(t->endpoint->options.journal_headers, h->name.data);
}

static bool request_copy_headers(task *t, const http_header *headers, size_t count)
{
    const run_header **end = &t->request.headers;
    for (size_t i = 0; i < count; i++) {
        const http_header *h = &headers[i];
        if (!task_sees_header(t, h)) continue;
        run_header *copy = arena_alloc(&t->arena, sizeof *copy);
        if (!copy) return false;
        copy->name = arena_strndup(&t->arena, h->name.data, h->name.len);
        copy->value = arena_strndup(&t->arena, h->value.data, h->value.len);
        copy->next = NULL;
        if (!copy->name || !copy->value) return false;
        *end = copy;
        end = (const run_header **)&copy->next;
    }
    t->request.owns_headers = true;
    return true;
}

static bool request_copy_body(task *t, const char *data, size_t len)
{
    t->request.body = (sw_bytes){arena_strndup(&t->arena, data ? data : "", len), len};
    t->request.owns_body = t->request.body.data != NULL;
    return t->request.owns_body;
}

bool run_request_own_headers(task *t)
{
    if (t->request.owns_headers) return true;
    assert(!t->run); /* a run never borrows */
    const http_request *q = http_exchange_request(plain_of(t)->exchange);
    return request_copy_headers(t, q->headers, q->header_count);
}

bool run_request_own_body(task *t)
{
    assert(!t->run || t->request.owns_body); /* a run never borrows */
    return t->request.owns_body || request_copy_body(t, t->request.body.data, t->request.body.len);
}

static bool request_copy_params(task *t, const http_param *params, size_t count)
{
    run_header *all = count ? arena_alloc(&t->arena, count * sizeof *all) : NULL;
    if (count && !all) return false;
    for (size_t i = 0; i < count; i++) {
        all[i].name = arena_strndup(&t->arena, params[i].name, strlen(params[i].name));
        all[i].value = arena_strndup(&t->arena, params[i].value, params[i].value_len);
        all[i].next = i + 1 < count ? &all[i + 1] : NULL;
        if (!all[i].name || !all[i].value) return false;
    }
    t->request.params = all;
    return true;
}

/* Sets path (decoded) and query from a target in the task's arena. False: no memory, or the path cannot be decoded. */
static bool request_split_target(task *t, const char *target, size_t len)
{
    const char *mark = memchr(target, '?', len);
    size_t path_len = mark ? (size_t)(mark - target) : len;
    char *path = arena_alloc(&t->arena, path_len + 1);
    if (!path) return false;
    size_t decoded = 0;
    if (!uri_decode_path(target, path_len, path, &decoded)) return false;
    assert(decoded <= path_len);
    path[decoded] = 0;
    t->request.target = target;
    t->request.path = path;
    t->request.query = mark ? mark + 1 : "";
    return true;
}

/* Copies method, target and parameters. */
static bool request_take_line(task *t, const run_input *input)
{
    assert(input->method.data && input->target.data);
    char *target = arena_strndup(&t->arena, input->target.data, input->target.len);
    t->request.method = arena_strndup(&t->arena, input->method.data, input->method.len);
    return target && t->request.method && request_split_target(t, target, input->target.len) &&
           request_copy_params(t, input->params, input->param_count);
}

static bool request_take_value(task *t, const sw_value *value)
{
    const char *ignored = NULL;
    return !value || value_copy(&t->arena, *value, &t->request.input, &ignored);
}

bool run_request_take(task *t, const run_input *input)
{
    assert(t->run);
    assert(!t->request.method); /* a task takes one request */
    assert((input->value != NULL) == (t->endpoint->function != NULL));
    return request_take_value(t, input->value) && request_take_line(t, input) &&
           request_copy_headers(t, input->headers, input->header_count) &&
           request_copy_body(t, input->body.data, input->body.len);
}

bool run_request_borrow(task *t, const run_input *input)
{
    assert(!t->run);
    assert(!t->request.method); /* a task takes one request */
    t->request.body = (sw_bytes){input->body.data, input->body.len};
    return request_take_line(t, input);
}

const http_reply_header *run_reply_headers(task *t, size_t *count)
{
    size_t n = 0;
    for (const run_header *h = t->response.headers; h; h = h->next) n++;
    http_reply_header *headers = arena_alloc(&t->arena, (n + 1) * sizeof *headers);
    *count = n;
    n = 0;
    for (const run_header *h = t->response.headers; h && headers; h = h->next)
        headers[n++] = (http_reply_header){h->name, h->value};
    assert(!headers || n == *count);
    return headers;
}

/* ---- To the journal ---- */

static bool pairs_pack(msgpack_sbuffer *to, const run_header *list, bool as_map)
{
    uint32_t n = 0;
    for (const run_header *h = list; h; h = h->next) n++;
    msgpack_packer pk;
    msgpack_packer_init(&pk, to, msgpack_sbuffer_write);
    bool ok = (as_map ? msgpack_pack_map(&pk, n) : msgpack_pack_array(&pk, (size_t)n * 2)) == 0;
    for (const run_header *h = list; h && ok; h = h->next)
        ok = value_pack_text(&pk, h->name) && value_pack_text(&pk, h->value);
    return ok;
}

bool run_pack_headers(msgpack_sbuffer *to, const run_header *list) { return pairs_pack(to, list, false); }

/* What is optional: a map of names, or nothing. `by`: see run_origin. */
static bool request_pack_more(const run *r, const char *by, msgpack_sbuffer *to)
{
    msgpack_packer pk;
    const sw_value *input = &r->task.request.input;
    uint32_t n = run_trace_pairs(&r->task) + begun_pairs(by, NULL) + function_input_pairs(input);
    if (n == 0) return true;
    msgpack_packer_init(&pk, to, msgpack_sbuffer_write);
    return msgpack_pack_map(&pk, n) == 0 && run_trace_pack(&r->task, &pk) && begun_pack(&pk, by, NULL) &&
           function_input_pack(&pk, input);
}

bool run_request_record(run *r, const char *by)
{
    assert(r->state == RUN_NEW);
    assert(r->seq_next == 0);
    msgpack_sbuffer *scratch = &r->task.home->scratch;
    scratch->size = 0;
    bool packed = pairs_pack(scratch, r->task.request.headers, false);
    size_t headers_len = scratch->size;
    packed = packed && pairs_pack(scratch, r->task.request.params, true);
    size_t params_len = scratch->size - headers_len;
    packed = packed && request_pack_more(r, by, scratch);
    if (!packed) r->lacks_memory = true;
    if (!packed) return false;
    const sw_endpoint_options *o = &r->task.endpoint->options;
    r->version = o->version ? o->version : "";
    store *st = r->task.home->store;
    entry e = {.kind = ENTRY_STARTED,
               .at_ms = r->started_ms,
               .function = entry_text_of(r->task.endpoint->route),
               .version = entry_text_of(r->version),
               .method = entry_text_of(r->task.request.method),
               .target = entry_text_of(r->task.request.target),
               .owner = entry_text_of(store_node(st)),
               .epoch = r->started_epoch,
               .headers = {scratch->data, headers_len},
               .params = {scratch->data + headers_len, params_len},
               .more = {scratch->data + headers_len + params_len, scratch->size - headers_len - params_len},
               .body = {r->task.request.body.data, r->task.request.body.len},
               .due_ms = r->deadline_due.due_ms};
    return record_append(r, &e);
}

/* ---- Back from the journal ---- */

/* How many pairs a map or a flat array has; 0: it is neither. */
static uint32_t pairs_count(const sw_value *v)
{
    switch (v->type) {
    case MSGPACK_OBJECT_MAP:
        return v->via.map.size;
    case MSGPACK_OBJECT_ARRAY:
        return v->via.array.size / 2;
    default:
        return 0;
    }
}

/* Reads headers or parameters from an entry. Unpacks in an arena of its own, so that a resumed run has as much memory
 * left as it had at first. */
static bool pairs_unpack(run *r, const entry_text *packed, const run_header **out)
{
    sw_value v = {.type = MSGPACK_OBJECT_NIL};
    const char *error = NULL;
    arena a;
    if (packed->len == 0) return true;
    arena_init(&a, r->task.home->arenas);
    bool ok = value_unpack(&a, packed->data, packed->len, &v, &error);
    r->lacks_memory = r->lacks_memory || a.is_out;
    bool map = v.type == MSGPACK_OBJECT_MAP;
    uint32_t n = ok ? pairs_count(&v) : 0;
    for (uint32_t i = 0; i < n && ok; i++) {
        const msgpack_object *name = map ? &v.via.map.ptr[i].key : &v.via.array.ptr[(size_t)2 * i];
        const msgpack_object *value = map ? &v.via.map.ptr[i].val : name + 1;
        run_header *h = arena_alloc(&r->task.arena, sizeof *h);
        ok = h && name->type == MSGPACK_OBJECT_STR && value->type == MSGPACK_OBJECT_STR;
        if (!ok) break;
        *h = (run_header){arena_strndup(&r->task.arena, name->via.str.ptr, name->via.str.size),
                          arena_strndup(&r->task.arena, value->via.str.ptr, value->via.str.size), NULL};
        ok = h->name && h->value;
        *out = h;
        out = (const run_header **)&h->next;
    }
    arena_free(&a);
    return ok;
}

/* Of an endpoint's run there is none. */
static bool request_restore_input(run *r, const entry *started)
{
    const char *error = NULL;
    return !started_is_of_function(started) ||
           function_input_read(&r->task.arena, started, &r->task.request.input, &error);
}

bool run_request_restore(run *r, const entry *started)
{
    task *t = &r->task;
    run_request *to = &t->request;
    assert(r->state == RUN_NEW);
    assert(started->kind == ENTRY_STARTED);
    assert(!to->method);
    char *target = arena_strndup(&r->task.arena, started->target.data, started->target.len);
    to->method = arena_strndup(&r->task.arena, started->method.data, started->method.len);
    to->owns_headers = true;
    r->version = arena_strndup(&r->task.arena, started->version.data, started->version.len);
    r->started_ms = started->at_ms;
    r->started_epoch = started->epoch;
    r->began_us = 0;
    const clock_entry deadline = {started->epoch, started->at_ms, started->due_ms, false};
    if (started->due_ms > 0) r->deadline_due = clock_wait_of(&r->task.home->clock, &deadline);
    bool ok = called_by_read(started, &r->caller) && target && to->method && r->version &&
              run_trace_restore(r, started) && request_restore_input(r, started) &&
              request_copy_body(t, started->body.data, started->body.len) &&
              pairs_unpack(r, &started->headers, &to->headers) && pairs_unpack(r, &started->params, &to->params) &&
              request_split_target(t, target, started->target.len);
    r->lacks_memory = r->lacks_memory || t->arena.is_out;
    return ok;
}
