#include "runtime/flow/schedule_row.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/value.h"

enum { ROW_FIELDS = 8 }; /* a newer version may add more */

/* [upto_ms, point_ms, run bin or nil, waits_ms, is_paused, by, at_ms, plan] */
bool schedule_row_pack(const schedule_row *r, msgpack_sbuffer *to)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, to, msgpack_sbuffer_write);
    bool ok = msgpack_pack_array(&pk, ROW_FIELDS) == 0 && msgpack_pack_int64(&pk, r->upto_ms) == 0 &&
              msgpack_pack_int64(&pk, r->point_ms) == 0;
    if (r->point_ms > 0)
        ok = ok && msgpack_pack_bin(&pk, RUN_ID_BYTES) == 0 &&
             msgpack_pack_bin_body(&pk, r->run.bytes, RUN_ID_BYTES) == 0;
    else
        ok = ok && msgpack_pack_nil(&pk) == 0;
    ok = ok && msgpack_pack_int64(&pk, r->waits_ms) == 0;
    ok = ok && (r->is_paused ? msgpack_pack_true(&pk) : msgpack_pack_false(&pk)) == 0;
    return ok && value_pack_text(&pk, r->by) && msgpack_pack_int64(&pk, r->at_ms) == 0 && value_pack_text(&pk, r->plan);
}

static bool text_read(sw_value v, char *to, size_t size)
{
    if (v.type != MSGPACK_OBJECT_STR || v.via.str.size >= size) return false;
    (void)snprintf(to, size, "%.*s", (int)v.via.str.size, v.via.str.ptr);
    return true;
}

static bool time_read(sw_value v, int64_t *to)
{
    *to = sw_as_int(v, -1);
    return *to >= 0;
}

static bool fields_read(sw_value v, schedule_row *out)
{
    if (sw_type(v) != SW_ARRAY || sw_len(v) < ROW_FIELDS) return false;
    const msgpack_object *f = v.via.array.ptr;
    *out = (schedule_row){.upto_ms = 0};
    bool ok = time_read(f[0], &out->upto_ms) && time_read(f[1], &out->point_ms) && time_read(f[3], &out->waits_ms) &&
              sw_type(f[4]) == SW_BOOL && text_read(f[5], out->by, sizeof out->by) && time_read(f[6], &out->at_ms) &&
              text_read(f[7], out->plan, sizeof out->plan);
    out->is_paused = ok && sw_as_bool(f[4], false);
    if (!ok || out->point_ms == 0) return ok;
    if (f[2].type != MSGPACK_OBJECT_BIN || f[2].via.bin.size != RUN_ID_BYTES) return false;
    memcpy(out->run.bytes, f[2].via.bin.ptr, RUN_ID_BYTES);
    return true;
}

bool schedule_row_read(store_bytes value, schedule_row *out, bool *is_short)
{
    arena a;
    sw_value v;
    const char *error = NULL;
    arena_init(&a, NULL);
    bool is_read = value_unpack(&a, value.data, value.len, &v, &error) && fields_read(v, out);
    *is_short = error == value_no_memory;
    arena_free(&a);
    return is_read;
}
