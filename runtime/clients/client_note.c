#include "runtime/clients/client_note.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/value.h"

enum { NOTE_VERSION = 1, NOTE_FIELDS = 11, REPLY_FIELDS = 4 };

/* Kinds stand in notes by their numbers, and the next worker may be another build. */
_Static_assert(WAITER_REQUEST == 0 && WAITER_STREAM == 4 && WAITER_NONE == 8, "a change needs another NOTE_VERSION");
_Static_assert(sizeof((kept_client){0}.run.bytes) == RUN_ID_BYTES, "a run's id is copied whole");

/* Whether a client of this kind can be kept. */
static bool waiter_kind_is_keepable(uint64_t kind) { return kind <= WAITER_STREAM || kind == WAITER_NONE; }

static int note_put_bool(msgpack_packer *p, bool b) { return b ? msgpack_pack_true(p) : msgpack_pack_false(p); }

static int note_put_bin(msgpack_packer *p, const char *data, size_t len)
{
    int failed = msgpack_pack_bin(p, len);
    return failed ? failed : msgpack_pack_bin_body(p, data, len);
}

/* [version, run, kind, frames it has, since, wait, replayed, begun, position, request, unsent]; a connection without a
 * run has no frames: there 1 says that it came to --admin-listen. */
bool client_note_write(msgpack_sbuffer *to, const kept_client *k)
{
    assert(waiter_kind_is_keepable(k->wish.kind));
    assert(!k->replying);
    assert(!k->is_admin || (k->wish.kind == WAITER_NONE && k->wish.after == 0));
    msgpack_packer p;
    msgpack_packer_init(&p, to, msgpack_sbuffer_write);
    return !msgpack_pack_array(&p, NOTE_FIELDS) && !msgpack_pack_int(&p, NOTE_VERSION) &&
           !note_put_bin(&p, (const char *)k->run.bytes, sizeof k->run.bytes) &&
           !msgpack_pack_int(&p, (int)k->wish.kind) && !msgpack_pack_uint32(&p, k->is_admin ? 1 : k->wish.after) &&
           !msgpack_pack_int64(&p, k->wish.since_ms) && !msgpack_pack_int64(&p, k->wish.wait_ms) &&
           !note_put_bool(&p, k->wish.replayed) && !note_put_bool(&p, k->wish.begun) &&
           !msgpack_pack_uint64(&p, k->position) && !note_put_bin(&p, k->request.data, k->request.len) &&
           !note_put_bin(&p, k->unsent.data, k->unsent.len);
}

/* [version, connection persists, body follows, data] */
bool client_note_write_reply(msgpack_sbuffer *to, const http_kept_reply *reply)
{
    assert(reply->data.len > 0);
    msgpack_packer p;
    msgpack_packer_init(&p, to, msgpack_sbuffer_write);
    return !msgpack_pack_array(&p, REPLY_FIELDS) && !msgpack_pack_int(&p, NOTE_VERSION) &&
           !note_put_bool(&p, reply->is_persistent) && !note_put_bool(&p, reply->body_follows) &&
           !note_put_bin(&p, reply->data.data, reply->data.len);
}

/* Returns the elements of an array that has exactly these types and our version. NULL: it has not. */
static const msgpack_object *note_fields(const msgpack_object *v, const msgpack_object_type *types, uint32_t count)
{
    if (v->type != MSGPACK_OBJECT_ARRAY || v->via.array.size != count) return NULL;
    const msgpack_object *f = v->via.array.ptr;
    for (uint32_t i = 0; i < count; i++) {
        msgpack_object_type type =
            f[i].type == MSGPACK_OBJECT_NEGATIVE_INTEGER ? MSGPACK_OBJECT_POSITIVE_INTEGER : f[i].type;
        if (type != types[i]) return NULL;
    }
    return f[0].via.i64 == NOTE_VERSION ? f : NULL;
}

#define NUMBER MSGPACK_OBJECT_POSITIVE_INTEGER
#define TRUTH  MSGPACK_OBJECT_BOOLEAN
#define BYTES  MSGPACK_OBJECT_BIN

static bool note_read_client(arena *a, const char *data, size_t len, kept_client *out)
{
    static const msgpack_object_type types[NOTE_FIELDS] = {NUMBER, BYTES, NUMBER, NUMBER, NUMBER, NUMBER,
                                                           TRUTH,  TRUTH, NUMBER, BYTES,  BYTES};
    msgpack_object v;
    const char *error = NULL;
    const msgpack_object *f = value_unpack(a, data, len, &v, &error) ? note_fields(&v, types, NOTE_FIELDS) : NULL;
    if (!f || f[1].via.bin.size != RUN_ID_BYTES || !waiter_kind_is_keepable(f[2].via.u64) || f[3].via.u64 > UINT32_MAX)
        return false;
    memcpy(out->run.bytes, f[1].via.bin.ptr, RUN_ID_BYTES);
    out->wish = (waiter_wish){.kind = (waiter_kind)f[2].via.u64,
                              .after = (uint32_t)f[3].via.u64,
                              .since_ms = f[4].via.i64,
                              .wait_ms = f[5].via.i64,
                              .replayed = f[6].via.boolean,
                              .begun = f[7].via.boolean};
    out->is_admin = out->wish.kind == WAITER_NONE && out->wish.after == 1;
    out->position = f[8].via.u64;
    out->request = (sw_bytes){f[9].via.bin.ptr, f[9].via.bin.size};
    out->unsent = (sw_bytes){f[10].via.bin.ptr, f[10].via.bin.size};
    return true;
}

static bool note_read_reply(arena *a, const char *data, size_t len, kept_client *out)
{
    static const msgpack_object_type types[REPLY_FIELDS] = {NUMBER, TRUTH, TRUTH, BYTES};
    msgpack_object v;
    const char *error = NULL;
    const msgpack_object *f = value_unpack(a, data, len, &v, &error) ? note_fields(&v, types, REPLY_FIELDS) : NULL;
    if (!f) return false;
    out->replying = true;
    out->reply = (http_kept_reply){{f[3].via.bin.ptr, f[3].via.bin.size}, f[2].via.boolean, f[1].via.boolean};
    return true;
}

bool client_note_read(arena *a, const char *data, size_t len, kept_client *out)
{
    uint32_t first = 0;
    *out = (kept_client){.replying = false};
    if (len < sizeof first) return false;
    memcpy(&first, data, sizeof first);
    data += sizeof first;
    len -= sizeof first;
    return first <= len && note_read_client(a, data, first, out) &&
           (first == len || note_read_reply(a, data + first, len - first, out));
}
