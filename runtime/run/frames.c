#include "runtime/run/frames.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/base/json.h"
#include "runtime/base/json_number.h"
#include "runtime/base/value.h"

enum { TEXT_FIRST = 512 /* bytes: a few frames; msgpack's own first size is 8 KiB */ };

typedef struct frame {
    size_t end;   /* offset in the text */
    uint32_t seq; /* number of the entry that the frame shows: it may be sent once that entry is on disk */
} frame;

/* A step whose streamed chunks are neither committed nor rolled back. */
typedef struct open_step {
    uint64_t path;
    char hash[41]; /* SHA-1 in hex digits, zero-terminated */
} open_step;

struct frames {
    uint32_t refs;
    uint32_t durable;           /* how many frames may be sent */
    bool closed;                /* the response is the last frame */
    struct arena_cache *arenas; /* borrowed: for rendering values */
    msgpack_sbuffer text;       /* all frames, one after the other */
    frame *frames;              /* malloc'd */
    uint32_t count, frame_room;
    open_step *open; /* malloc'd */
    size_t open_count, open_room;
};

/* Grows an array so that it has room for `need` items of `item` bytes. False: no memory, and nothing has changed. */
static bool frames_reserve(void **at, size_t *room, size_t need, size_t item)
{
    if (need <= *room) return true;
    size_t more = *room ? *room * 2 : 16;
    while (more < need) more *= 2;
    void *bigger = realloc(*at, more * item);
    if (!bigger) return false;
    *at = bigger;
    *room = more;
    return true;
}

static bool frames_put(frames *f, const char *data, size_t len)
{
    return msgpack_sbuffer_write(&f->text, data, len) == 0;
}

static bool frames_put_text(frames *f, const char *text) { return frames_put(f, text, strlen(text)); }

/* Writes the head of the next frame; frames_end_one makes it one. Whoever fails in between sets f->text.size back. */
static bool frames_begin_one(frames *f, const char *event)
{
    char number[JSON_NUMBER_BYTES_MAX], *end = json_integer_write(f->count + 1u, number);
    return frames_put_text(f, "id: ") && frames_put(f, number, (size_t)(end - number)) &&
           frames_put_text(f, "\nevent: ") && frames_put_text(f, event) && frames_put_text(f, "\ndata: ");
}

static bool frames_end_one(frames *f, uint32_t seq)
{
    if (!frames_put_text(f, "\n\n")) return false;
    size_t room = f->frame_room;
    void *at = f->frames;
    if (!frames_reserve(&at, &room, f->count + 1u, sizeof *f->frames)) return false;
    f->frames = at;
    f->frame_room = (uint32_t)room;
    assert(f->count == 0 || f->frames[f->count - 1].end < f->text.size); /* no frame is empty */
    f->frames[f->count++] = (frame){.end = f->text.size, .seq = seq};
    return true;
}

/* The published client tells steps apart by the SHA-1 of their id. */
static bool frames_hash_id(const entry_text *id, char out[41])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_Digest(id->data, id->len, digest, &len, EVP_sha1(), NULL) != 1 || len != 20) return false;
    for (unsigned i = 0; i < len; i++) (void)snprintf(out + 2 * (size_t)i, 3, "%02x", digest[i]);
    return true;
}

static open_step *frames_find_open(frames *f, uint64_t path)
{
    for (size_t i = 0; i < f->open_count; i++)
        if (f->open[i].path == path) return &f->open[i];
    return NULL;
}

/* Returns the open step of a chunk; makes one when there is none. NULL: no memory. */
static open_step *frames_add_open(frames *f, const entry *e)
{
    open_step *o = frames_find_open(f, e->path);
    if (o) return o;
    void *at = f->open;
    if (!frames_reserve(&at, &f->open_room, f->open_count + 1, sizeof *f->open)) return NULL;
    f->open = at;
    o = &f->open[f->open_count];
    o->path = e->path;
    if (!frames_hash_id(&e->id, o->hash)) return NULL;
    f->open_count++;
    return o;
}

static bool frames_put_value(frames *f, const entry_text *packed)
{
    arena a;
    arena_init(&a, f->arenas);
    sw_value v;
    const char *error = NULL;
    bool ok = value_unpack(&a, packed->data, packed->len, &v, &error) && json_write_to(&f->text, v);
    arena_free(&a);
    return ok;
}

static bool frames_add_chunk(frames *f, const entry *e, uint32_t seq)
{
    size_t before = f->text.size;
    bool ok =
        frames_begin_one(f, "inngest.stream") && frames_put_text(f, "{\"data\":") && frames_put_value(f, &e->value);
    if (ok && e->id.len > 0) {
        open_step *o = frames_add_open(f, e);
        ok = o && frames_put_text(f, ",\"hashedStepId\":\"") && frames_put_text(f, o->hash) && frames_put_text(f, "\"");
    }
    ok = ok && frames_put_text(f, "}") && frames_end_one(f, seq);
    if (!ok) f->text.size = before;
    return ok;
}

static bool frames_add_status(frames *f, const entry *e, uint32_t seq)
{
    size_t before = f->text.size;
    bool ok = frames_begin_one(f, "stepwell.status") && frames_put_text(f, "{\"data\":") &&
              frames_put_value(f, &e->value) && frames_put_text(f, "}") && frames_end_one(f, seq);
    if (!ok) f->text.size = before;
    return ok;
}

/* Why the attempt failed, and when the next one begins: what a page needs to say it in plain words. */
static bool frames_put_failure(frames *f, const entry *e)
{
    arena a;
    arena_init(&a, f->arenas);
    sw_value text = {.type = MSGPACK_OBJECT_STR};
    text.via.str.ptr = e->error.data;
    text.via.str.size = (uint32_t)e->error.len;
    sw_bytes json;
    char numbers[64], next[32] = "null";
    if (e->due_ms > 0) (void)snprintf(next, sizeof next, "%lld", (long long)e->due_ms);
    (void)snprintf(numbers, sizeof numbers, ",\"attempt\":%u,\"nextAt\":%s,\"error\":", e->attempt, next);
    bool ok = json_write(&a, text, &json) && frames_put_text(f, numbers) && frames_put(f, json.data, json.len);
    arena_free(&a);
    return ok;
}

/* Adds the frame that commits or rolls back the chunks of a step, if the step has streamed any. */
static bool frames_close_step(frames *f, const entry *e, uint32_t seq, const char *event)
{
    open_step *o = frames_find_open(f, e->path);
    if (!o) return true;
    size_t before = f->text.size;
    bool ok = frames_begin_one(f, event) && frames_put_text(f, "{\"hashedStepId\":\"") && frames_put_text(f, o->hash) &&
              frames_put_text(f, "\"") && (e->kind != ENTRY_STEP_FAILED || frames_put_failure(f, e)) &&
              frames_put_text(f, "}") && frames_end_one(f, seq);
    if (!ok) f->text.size = before;
    assert(f->open_count > 0);
    *o = f->open[--f->open_count];
    return ok;
}

bool frames_add(frames *f, const entry *e, uint32_t seq)
{
    assert(!f->closed);
    assert(f->count == 0 || f->frames[f->count - 1].seq < seq); /* in journal order */
    switch (e->kind) {
    case ENTRY_CHUNK:
        return frames_add_chunk(f, e, seq);
    case ENTRY_STATUS:
        return frames_add_status(f, e, seq);
    case ENTRY_STEP_DONE:
        return frames_close_step(f, e, seq, "inngest.commit");
    case ENTRY_STEP_FAILED:
    case ENTRY_ROLLBACK:
        return frames_close_step(f, e, seq, "inngest.rollback");
    default:
        return true;
    }
}

void frames_durable(frames *f, uint32_t seq)
{
    while (f->durable < f->count && f->frames[f->durable].seq <= seq) f->durable++;
}

static bool header_name_is(msgpack_object_str a, msgpack_object_str b)
{
    return a.size == b.size && strncasecmp(a.ptr, b.ptr, a.size) == 0;
}

/* Adds a header to an object, which has each name once: the value of a repeated header is appended to the first one, as
 * RFC 9110, 5.3 allows. */
static bool frames_add_header(arena *a, msgpack_object_map *map, const msgpack_object *name,
                              const msgpack_object *value)
{
    if (name->type != MSGPACK_OBJECT_STR || value->type != MSGPACK_OBJECT_STR) return false;
    for (uint32_t i = 0; i < map->size; i++) {
        msgpack_object_str *first = &map->ptr[i].val.via.str;
        if (!header_name_is(map->ptr[i].key.via.str, name->via.str)) continue;
        const char *joined =
            arena_printf(a, "%.*s, %.*s", (int)first->size, first->ptr, (int)value->via.str.size, value->via.str.ptr);
        if (!joined) return false;
        *first = (msgpack_object_str){.ptr = joined, .size = (uint32_t)strlen(joined)};
        return true;
    }
    map->ptr[map->size++] = (msgpack_object_kv){*name, *value};
    return true;
}

/* Makes an object of the entry's headers, which are [name, value, ...]. False: no memory, or they cannot be read. */
static bool frames_headers_map(arena *a, const entry *response, sw_value *map)
{
    sw_value flat = {.type = MSGPACK_OBJECT_ARRAY};
    const entry_text *packed = &response->headers;
    const char *error = NULL;
    *map = (sw_value){.type = MSGPACK_OBJECT_MAP};
    if (packed->len > 0 && !value_unpack(a, packed->data, packed->len, &flat, &error)) return false;
    if (flat.type != MSGPACK_OBJECT_ARRAY) return false;
    uint32_t pairs = flat.via.array.size / 2;
    map->via.map.ptr = arena_zalloc(a, (pairs + 1) * sizeof *map->via.map.ptr);
    bool ok = map->via.map.ptr != NULL;
    for (uint32_t i = 0; i < pairs && ok; i++) {
        const msgpack_object *name = &flat.via.array.ptr[2 * (size_t)i];
        ok = frames_add_header(a, &map->via.map, name, name + 1);
    }
    return ok;
}

/* The published client makes a JavaScript Response of status and body. With 204, 205 or 304 that throws when there is a
 * body, even an empty one. */
static int frames_status_shown(int status) { return status == 204 || status == 205 || status == 304 ? 200 : status; }

/* Adds the frame of a response. `seq`: of the entry that has to be on disk before. */
static bool frames_add_response(frames *f, const entry *response, entry_ended ended, uint32_t seq)
{
    assert(response->kind == ENTRY_RESPONSE);
    arena a;
    arena_init(&a, f->arenas);
    size_t before = f->text.size;
    char status[64];
    (void)snprintf(status, sizeof status, ",\"statusCode\":%d,\"headers\":", frames_status_shown(response->status));
    sw_value body = {.type = MSGPACK_OBJECT_STR};
    body.via.str.ptr = response->body.data;
    body.via.str.size = (uint32_t)response->body.len;
    sw_value headers;
    sw_bytes body_json, headers_json;
    bool ok = frames_headers_map(&a, response, &headers) && json_write(&a, body, &body_json) &&
              json_write(&a, headers, &headers_json) && frames_begin_one(f, "inngest.response") &&
              frames_put_text(f, ended == ENTRY_SUCCEEDED ? "{\"status\":\"succeeded\",\"response\":{\"body\":"
                                                          : "{\"status\":\"failed\",\"response\":{\"body\":") &&
              frames_put(f, body_json.data, body_json.len) && frames_put_text(f, status) &&
              frames_put(f, headers_json.data, headers_json.len) && frames_put_text(f, "}}") && frames_end_one(f, seq);
    if (!ok) f->text.size = before;
    arena_free(&a);
    return ok;
}

bool frames_close(frames *f, const entry *response, entry_ended ended)
{
    assert(!f->closed);
    f->closed = frames_add_response(f, response, ended, UINT32_MAX);
    f->durable = f->count;
    return f->closed;
}

/* ---- Runs that were reopened ---- */

static bool frames_add_reopened(frames *f, const entry *reopened, uint32_t seq)
{
    char data[48];
    size_t before = f->text.size;
    (void)snprintf(data, sizeof data, "{\"generation\":%u}", reopened->attempt);
    bool ok = frames_begin_one(f, "stepwell.reopened") && frames_put_text(f, data) && frames_end_one(f, seq);
    if (!ok) f->text.size = before;
    return ok;
}

/* The voided response keeps the frame number that clients know it by. */
static bool frames_reopen(frames_builder *b, const entry *reopened, uint32_t seq)
{
    bool has_response = b->response.kind == ENTRY_RESPONSE && seq > 1;
    if (has_response && !frames_add_response(b->frames, &b->response, (entry_ended)b->ended.status, seq - 1))
        return false;
    b->response = b->ended = (entry){.path = 0};
    return frames_add_reopened(b->frames, reopened, seq);
}

void frames_build(frames_builder *b, const entry *e, uint32_t seq)
{
    if (e->kind == ENTRY_RESPONSE) b->response = *e;
    if (e->kind == ENTRY_ENDED) b->ended = *e;
    bool begins = !b->frames && (frames_begin_with(e->kind) || e->kind == ENTRY_REOPENED);
    if (begins && !(b->frames = frames_new(b->arenas))) b->failed = true;
    if (!b->frames || b->failed) return;
    bool ok = e->kind == ENTRY_REOPENED ? frames_reopen(b, e, seq) : frames_add(b->frames, e, seq);
    b->failed = !ok; /* if one frame were left out, the later ones would have other numbers than before */
}

bool frames_closed(const frames *f) { return f->closed; }

uint32_t frames_count(const frames *f) { return f->count; }

sw_bytes frames_next(const frames *f, uint32_t *cursor, size_t max_bytes)
{
    if (*cursor >= f->durable) return (sw_bytes){"", 0};
    size_t from = *cursor ? f->frames[*cursor - 1].end : 0, to = from;
    while (*cursor < f->durable && (to == from || to - from < max_bytes)) to = f->frames[(*cursor)++].end;
    assert(to <= f->text.size);
    return (sw_bytes){f->text.data + from, to - from};
}

frames *frames_new(struct arena_cache *arenas)
{
    frames *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    *f = (frames){.refs = 1, .arenas = arenas, .text = {.data = malloc(TEXT_FIRST), .alloc = TEXT_FIRST}};
    if (f->text.data) return f;
    free(f);
    return NULL;
}

frames *frames_ref(frames *f)
{
    assert(f->refs > 0);
    f->refs++;
    return f;
}

void frames_unref(frames *f)
{
    assert(!f || f->refs > 0);
    if (!f || --f->refs > 0) return;
    msgpack_sbuffer_destroy(&f->text);
    free(f->frames);
    free(f->open);
    free(f);
}
