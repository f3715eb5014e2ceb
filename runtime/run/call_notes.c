#include "runtime/run/call_notes.h"

#include <assert.h>
#include <msgpack.h>
#include <string.h>

#include "runtime/base/arena.h"
#include "runtime/base/clock.h"
#include "runtime/base/retry.h"
#include "runtime/base/value.h"

enum {
    METHOD_MAX = 16,   /* bytes of a method; longer ones are cut */
    HOST_MAX = 253,    /* bytes of a host: the most that DNS allows; longer ones are cut */
    NUMBERS_LEAST = 8, /* bytes of a packed note beside its texts */
    NUMBERS_MOST = 57,
    HEAD_MAX = 3,   /* array16 */
    STATUS_MAX = 3, /* int16 */
    COUNT_MAX = 5   /* of the calls that are left out */
};
_Static_assert(ENTRY_CALLS_MAX / NUMBERS_LEAST < 65535, "an array16 has room for all items");
_Static_assert(HEAD_MAX + STATUS_MAX + COUNT_MAX < ENTRY_CALLS_MAX, "an entry has room for what is no note");

typedef struct call_note {
    struct call_note *next;
    const http_call *call; /* NULL: the call has ended */
    const char *method, *host;
    size_t method_len, host_len;
    int status;             /* 0: no response */
    const char *error;      /* "": none */
    int64_t began_ms;       /* on the steady clock */
    uint64_t ms;            /* from beginning to end */
    uint64_t bytes;         /* received */
    int64_t retry_after_ms; /* for which the response asks; -1: for nothing */
} call_note;

/* Why the call failed, in the journal's words; "": it did not. */
static const char *call_error_name(const http_call *call)
{
    return http_call_state_of(call) < HTTP_CALL_DONE ? "cut" : http_call_error_name(http_call_error(call));
}

/* For how long the response asks to be left alone; -1: it does not. */
static int64_t call_retry_after_ms(const http_call *call)
{
    const char *milliseconds = NULL, *seconds = NULL;
    for (const char *const *h = http_call_headers(call); h && *h; h++) {
        if (header_is(*h, "retry-after-ms")) milliseconds = header_value(*h);
        if (header_is(*h, "retry-after")) seconds = header_value(*h);
    }
    return milliseconds || seconds ? retry_after_ms(milliseconds, seconds, clock_wall_ms()) : -1;
}

void call_notes_begin(call_notes *notes, arena *a, const http_call *call, const char *method, const char *url)
{
    assert(notes->bytes <= ENTRY_CALLS_MAX);
    assert((notes->last == NULL) == (notes->count == 0));
    const http_shown_url shown = http_url_shown(url);
    const char *host = shown.host_path; /* "name:port"; no text of what is no URL is noted */
    size_t method_len = strnlen(method, METHOD_MAX), host_len = shown.scheme_len > 0 ? (size_t)shown.host_len : 0;
    if (host_len > HOST_MAX) host_len = HOST_MAX;
    size_t bytes = method_len + host_len;
    bool may_fit = notes->bytes + bytes + (notes->count + 1) * NUMBERS_LEAST <= ENTRY_CALLS_MAX;
    call_note *n = may_fit ? arena_zalloc(a, sizeof *n + bytes) : NULL;
    if (!n) {
        notes->left_out++;
        return;
    }
    char *text = (char *)(n + 1);
    memcpy(text, method, method_len);
    memcpy(text + method_len, host, host_len);
    n->method = text;
    n->method_len = method_len;
    n->host = text + method_len;
    n->host_len = host_len;
    n->call = call;
    n->began_ms = clock_steady_ms();
    n->error = "";
    n->retry_after_ms = -1;
    notes->bytes += bytes;
    notes->count++;
    if (notes->last)
        notes->last->next = n;
    else
        notes->first = n;
    notes->last = n;
}

void call_notes_end(call_notes *notes, const http_call *call)
{
    call_note *n = notes->first;
    while (n && n->call != call) n = n->next;
    if (!n) return; /* left out */
    n->call = NULL;
    n->status = http_call_answered(call) ? http_call_status(call) : 0;
    n->error = call_error_name(call);
    n->bytes = http_call_received(call);
    if (n->status >= 400) n->retry_after_ms = call_retry_after_ms(call);
    n->ms = (uint64_t)(clock_steady_ms() - n->began_ms);
}

const call_note *call_notes_next_open(const call_notes *notes, const call_note *after, call_under_way *out)
{
    const call_note *n = after ? after->next : notes->first;
    while (n && !n->call) n = n->next;
    if (n)
        *out = (call_under_way){.method = {n->method, n->method_len},
                                .host = {n->host, n->host_len},
                                .began_ms = n->began_ms,
                                .answered = http_call_answered(n->call)};
    return n;
}

/* Packed bytes in a buffer of a fixed size: what does not fit is not written. */
typedef struct packed {
    char *data;
    size_t len, room;
} packed;

static int packed_write(void *to, const char *bytes, size_t len)
{
    packed *p = to;
    assert(p->len <= p->room);
    if (len > p->room - p->len) return -1;
    memcpy(p->data + p->len, bytes, len);
    p->len += len;
    return 0;
}

/* Appends a note. False: there is no room, and nothing was appended. */
static bool packed_put_note(packed *p, const call_note *n)
{
    size_t before = p->len;
    msgpack_packer pk;
    assert(!n->call);
    msgpack_packer_init(&pk, p, packed_write);
    bool asks = n->retry_after_ms >= 0;
    if (msgpack_pack_array(&pk, 6 + asks) == 0 && value_pack_str(&pk, n->method, n->method_len) &&
        value_pack_str(&pk, n->host, n->host_len) && msgpack_pack_int(&pk, n->status) == 0 &&
        value_pack_text(&pk, n->error) && msgpack_pack_uint64(&pk, n->ms) == 0 &&
        msgpack_pack_uint64(&pk, n->bytes) == 0 && (!asks || msgpack_pack_int64(&pk, n->retry_after_ms) == 0))
        return true;
    p->len = before;
    return false;
}

/* Puts the array's head in front of its items, at the end of the HEAD_MAX bytes that were left free for it: how many
 * items there are is known last. */
static entry_text packed_put_head(packed *p, uint32_t items)
{
    char head[HEAD_MAX] = {0};
    packed small = {.data = head, .room = sizeof head};
    msgpack_packer pk;
    msgpack_packer_init(&pk, &small, packed_write);
    int rc = msgpack_pack_array(&pk, items);
    assert(rc == 0);
    assert(p->len <= ENTRY_CALLS_MAX);
    (void)rc;
    char *from = p->data + HEAD_MAX - small.len;
    memcpy(from, head, small.len);
    return (entry_text){from, p->len - (HEAD_MAX - small.len)};
}

/* Appends the status as a negative number, and returns how many items that are. Readers that do not
 * know of the status take an item that is no array for the number of calls that are left out, if it is positive. */
static uint32_t packed_put_status(packed *p, int status)
{
    if (status == 0) return 0;
    msgpack_packer pk;
    msgpack_packer_init(&pk, p, packed_write);
    return msgpack_pack_int(&pk, -status) == 0;
}

int call_notes_failed_for(entry_text calls)
{
    const uint8_t *at = (const uint8_t *)calls.data, *end = at + calls.len;
    if (at == end) return 0;
    at += *at == 0xdc ? HEAD_MAX : 1; /* the array's head: array16 or fixarray */
    if (end - at >= 2 && at[0] == 0xd0) return -(int8_t)at[1];
    return end - at >= STATUS_MAX && at[0] == 0xd1 ? -(int16_t)(uint16_t)(at[1] << 8 | at[2]) : 0;
}

entry_text call_notes_pack(const call_notes *notes, arena *a, int failed_for)
{
    uint32_t noted = 0, left_out = notes->left_out;
    if (notes->count == 0 && left_out == 0 && failed_for == 0) return (entry_text){"", 0};
    size_t most = HEAD_MAX + STATUS_MAX + notes->bytes + (size_t)notes->count * NUMBERS_MOST + COUNT_MAX;
    packed p = {.len = HEAD_MAX, .room = most < ENTRY_CALLS_MAX ? most : ENTRY_CALLS_MAX};
    p.data = arena_alloc(a, p.room);
    if (!p.data) return (entry_text){"", 0};
    p.room -= COUNT_MAX;
    uint32_t items = packed_put_status(&p, failed_for);
    for (const call_note *n = notes->first; n && packed_put_note(&p, n); n = n->next) noted++;
    assert(noted <= notes->count);
    items += noted;
    left_out += notes->count - noted;
    p.room += COUNT_MAX;
    if (left_out > 0) {
        msgpack_packer pk;
        msgpack_packer_init(&pk, &p, packed_write);
        int rc = msgpack_pack_uint32(&pk, left_out);
        assert(rc == 0);
        (void)rc;
        items++;
    }
    return packed_put_head(&p, items);
}
