#include "runtime/flow/schedule_begin.h"

#include <assert.h>
#include <string.h>

#include "runtime/run/begun.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/function_input.h"
#include "runtime/run/omit.h"
#include "storage/entry.h"

static sw_value text_of(const char *text)
{
    return (sw_value){.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)strlen(text), text}};
}

schedule_input schedule_input_make(const endpoint *function, int64_t point_ms)
{
    return (schedule_input){
        {{text_of("schedule"), text_of(function->route)}, {text_of("scheduled_at"), sw_int(point_ms)}}};
}

sw_value schedule_input_value(const schedule_input *input)
{
    return (sw_value){.type = MSGPACK_OBJECT_MAP,
                      .via.map = {SCHEDULE_INPUT_PAIRS, (msgpack_object_kv *)(uintptr_t)input->pairs}};
}

/* What is optional in *started*. */
static bool pack_more(msgpack_sbuffer *to, const sw_value *input, int64_t point_ms)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, to, msgpack_sbuffer_write);
    return msgpack_pack_map(&pk, 1 + function_input_pairs(input)) == 0 && begun_pack_scheduled(&pk, point_ms) &&
           function_input_pack(&pk, input);
}

/* Packs what the function is given. */
static bool pack_input(home *h, const endpoint *function, int64_t point_ms, msgpack_sbuffer *to)
{
    arena a;
    const schedule_input point = schedule_input_make(function, point_ms);
    sw_value input = schedule_input_value(&point);
    run_input kept = {.value = &input, .target = {"", 0}, .body = {"", 0}};
    arena_init(&a, h->arenas);
    bool ok = omit_take_out(function, &a, &kept) == OMIT_DONE && pack_more(to, kept.value, point_ms);
    arena_free(&a);
    return ok;
}

static bool pack_nothing(msgpack_sbuffer *headers, msgpack_sbuffer *params)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, headers, msgpack_sbuffer_write);
    if (msgpack_pack_array(&pk, 0) != 0) return false;
    msgpack_packer_init(&pk, params, msgpack_sbuffer_write);
    return msgpack_pack_map(&pk, 0) == 0;
}

bool schedule_encode_start(home *h, const endpoint *function, int64_t point_ms, msgpack_sbuffer *to)
{
    msgpack_sbuffer more, headers, params;
    const sw_endpoint_options *o = &function->options;
    clock_instant now = clock_now(&h->clock);
    assert(function->function && point_ms > 0);
    msgpack_sbuffer_init(&more);
    msgpack_sbuffer_init(&headers);
    msgpack_sbuffer_init(&params);
    bool ok = pack_input(h, function, point_ms, &more) && pack_nothing(&headers, &params);
    const entry start = {.kind = ENTRY_STARTED,
                         .at_ms = now.wall_ms,
                         .function = entry_text_of(function->route),
                         .version = entry_text_of(o->version ? o->version : ""),
                         .method = entry_text_of(""),
                         .target = entry_text_of(""),
                         .owner = entry_text_of(store_node(h->store)),
                         .epoch = now.epoch,
                         .headers = {headers.data, headers.size},
                         .params = {params.data, params.size},
                         .more = {more.data, more.size},
                         .body = entry_text_of(""),
                         .due_ms = o->timeout_ms > 0 ? clock_wait_for(&now, o->timeout_ms).due_ms : 0};
    ok = ok && entry_encode(to, &start) == 0;
    msgpack_sbuffer_destroy(&more);
    msgpack_sbuffer_destroy(&headers);
    msgpack_sbuffer_destroy(&params);
    return ok;
}
