#include "runtime/probe/call_fact.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/value.h"

enum { ASKED_FIELDS = 6, ANSWER_FIELDS = 5 }; /* elements of the array that a fact's data is */

/* ---- Writing ---- */

static bool pack_text(msgpack_packer *pk, const char *text, size_t len)
{
    return msgpack_pack_bin(pk, len) == 0 && (len == 0 || msgpack_pack_bin_body(pk, text, len) == 0);
}

static bool pack_list(msgpack_packer *pk, const char *const *list)
{
    size_t n = 0;
    while (list && list[n]) n++;
    bool ok = msgpack_pack_array(pk, n) == 0;
    for (size_t i = 0; i < n && ok; i++) ok = pack_text(pk, list[i], strlen(list[i]));
    return ok;
}

bool call_asked_pack(msgpack_sbuffer *to, const call_asked *q)
{
    msgpack_packer pk;
    assert(q->method);
    assert(q->url);
    assert(q->key);
    msgpack_packer_init(&pk, to, msgpack_sbuffer_write);
    return msgpack_pack_array(&pk, ASKED_FIELDS) == 0 && pack_text(&pk, q->method, strlen(q->method)) &&
           pack_text(&pk, q->url, strlen(q->url)) && pack_list(&pk, q->headers) &&
           pack_text(&pk, q->key, strlen(q->key)) && msgpack_pack_uint64(&pk, q->body_hash) == 0 &&
           msgpack_pack_uint64(&pk, q->body_len) == 0;
}

bool call_answer_pack(msgpack_sbuffer *to, const http_canned *answer)
{
    msgpack_packer pk;
    const char *text = answer->error_text ? answer->error_text : "";
    assert(answer->body || answer->body_len == 0);
    assert(!answer->never); /* no answer is no fact */
    msgpack_packer_init(&pk, to, msgpack_sbuffer_write);
    return msgpack_pack_array(&pk, ANSWER_FIELDS) == 0 && msgpack_pack_int(&pk, answer->error) == 0 &&
           pack_text(&pk, text, strlen(text)) && msgpack_pack_int(&pk, answer->status) == 0 &&
           pack_list(&pk, answer->headers) && pack_text(&pk, answer->body, answer->body_len);
}

/* ---- Reading ---- */

static const char *text_at(arena *a, const msgpack_object *array, uint32_t i, size_t *len)
{
    assert(i < array->via.array.size);
    const msgpack_object *v = &array->via.array.ptr[i];
    bool is_bin = v->type == MSGPACK_OBJECT_BIN;
    *len = is_bin ? v->via.bin.size : 0;
    return arena_strndup(a, is_bin ? v->via.bin.ptr : "", *len);
}

static const char *const *list_at(arena *a, const msgpack_object *array, uint32_t i)
{
    assert(i < array->via.array.size);
    const msgpack_object *v = &array->via.array.ptr[i];
    uint32_t n = v->type == MSGPACK_OBJECT_ARRAY ? v->via.array.size : 0;
    const char **list = arena_alloc(a, (n + 1) * sizeof *list);
    size_t ignored;
    for (uint32_t k = 0; list && k < n; k++)
        if (!(list[k] = text_at(a, v, k, &ignored))) return NULL;
    if (list) list[n] = NULL;
    return list;
}

static uint64_t number_at(const msgpack_object *array, uint32_t i)
{
    assert(i < array->via.array.size);
    const msgpack_object *v = &array->via.array.ptr[i];
    return v->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? v->via.u64 : 0;
}

static bool read_array(arena *a, entry_text bytes, uint32_t size, msgpack_object *out)
{
    const char *error = NULL;
    return value_unpack(a, bytes.data, bytes.len, out, &error) && out->type == MSGPACK_OBJECT_ARRAY &&
           out->via.array.size == size;
}

bool call_asked_read(arena *a, entry_text bytes, call_asked *out)
{
    msgpack_object v;
    size_t ignored;
    if (!read_array(a, bytes, ASKED_FIELDS, &v)) return false;
    *out = (call_asked){.method = text_at(a, &v, 0, &ignored),
                        .url = text_at(a, &v, 1, &ignored),
                        .headers = list_at(a, &v, 2),
                        .key = text_at(a, &v, 3, &ignored),
                        .body_hash = number_at(&v, 4),
                        .body_len = (size_t)number_at(&v, 5)};
    return out->method && out->url && out->headers && out->key;
}

bool call_answer_read(arena *a, entry_text bytes, http_canned *out)
{
    msgpack_object v;
    size_t ignored;
    if (!read_array(a, bytes, ANSWER_FIELDS, &v)) return false;
    *out = (http_canned){.error = (http_call_error_kind)number_at(&v, 0),
                         .error_text = text_at(a, &v, 1, &ignored),
                         .status = (int)number_at(&v, 2),
                         .headers = list_at(a, &v, 3)};
    out->body = text_at(a, &v, 4, &out->body_len);
    if (out->error_text && !*out->error_text) out->error_text = NULL;
    return out->headers && out->body;
}

/* ---- Methods and headers ---- */

bool call_is_idempotent(const char *method) { return strcmp(method, "PUT") == 0 || strcmp(method, "DELETE") == 0; }

bool call_is_once(const char *method) { return !http_method_is_safe(method) && !call_is_idempotent(method); }

/* Any other header may be a secret: services name the headers of their keys as they like. */
bool call_header_shown(const char *header)
{
    static const char *const shown[] = {"accept", "content-type", "idempotency-key", "user-agent"};
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        if (header_is(header, shown[i])) return true;
    return false;
}
