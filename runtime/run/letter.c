#include "runtime/run/letter.h"

#include <assert.h>
#include <msgpack.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/random.h"
#include "runtime/base/value.h"
#include "runtime/run/home.h"
#include "runtime/run/run.h"
#include "runtime/run/suspects.h"
#include "runtime/stepwell.h"

enum { LETTER_FIELDS = 5, LETTER_ID_BYTES = 16 };
_Static_assert(LETTER_CANCEL == 1 && LETTER_RELEASE == 2, "letters on disk have these numbers");
_Static_assert(LETTER_KEY_BYTES == RUN_ID_BYTES + sizeof(uint64_t), "a key is a run's id and an arrival number");

static const char *const tables[LETTER_KINDS] = {
    [LETTER_TRIES] = "tries", [LETTER_CANCEL] = "inbox", [LETTER_RELEASE] = "inbox"};
const char letter_of_client[] = "client";

static void letter_put_be64(uint8_t *to, uint64_t n)
{
    for (int i = 0; i < 8; i++) to[i] = (uint8_t)(n >> (8 * (7 - i)));
}

/* [id, kind, name, value, from]; a cancel or a release has neither name nor value. */
static size_t letter_pack(char to[LETTER_VALUE_MAX], letter_kind kind, const char *by)
{
    uint8_t id[LETTER_ID_BYTES];
    msgpack_sbuffer b;
    msgpack_packer pk;
    random_bytes(id, sizeof id);
    msgpack_sbuffer_init(&b);
    msgpack_packer_init(&pk, &b, msgpack_sbuffer_write);
    assert(strlen(by) <= LETTER_BY_MAX);
    size_t from_len = strlen(by);
    bool ok = msgpack_pack_array(&pk, LETTER_FIELDS) == 0 && msgpack_pack_bin(&pk, sizeof id) == 0 &&
              msgpack_pack_bin_body(&pk, id, sizeof id) == 0 && msgpack_pack_int(&pk, (int)kind) == 0 &&
              msgpack_pack_str(&pk, 0) == 0 && msgpack_pack_bin(&pk, 0) == 0 && msgpack_pack_str(&pk, from_len) == 0 &&
              msgpack_pack_str_body(&pk, by, from_len) == 0;
    size_t len = ok ? b.size : 0;
    assert(len <= LETTER_VALUE_MAX);
    if (len > 0) memcpy(to, b.data, len);
    msgpack_sbuffer_destroy(&b);
    return len;
}

/* Reads kind and writer of a letter, which begins as letter_pack writes it. Returns the kind; 0: it cannot be read,
 * *is_short: for want of memory. */
static int64_t letter_unpack(home *h, store_bytes value, char by[LETTER_BY_MAX + 1], bool *is_short)
{
    arena a;
    sw_value v;
    const char *error = NULL;
    int64_t kind = 0;
    arena_init(&a, h->arenas);
    bool ok = value_unpack(&a, value.data, value.len, &v, &error) && v.type == MSGPACK_OBJECT_ARRAY;
    const msgpack_object *fields = ok ? v.via.array.ptr : NULL;
    uint32_t count = ok ? v.via.array.size : 0;
    if (count >= 2 && fields[1].type == MSGPACK_OBJECT_POSITIVE_INTEGER) kind = fields[1].via.i64;
    bool is_named = count >= LETTER_FIELDS && fields[4].type == MSGPACK_OBJECT_STR;
    const char *name = is_named ? fields[4].via.str.ptr : letter_of_client;
    size_t len = is_named ? fields[4].via.str.size : strlen(letter_of_client);
    (void)snprintf(by, LETTER_BY_MAX + 1, "%.*s", (int)(len < LETTER_BY_MAX ? len : LETTER_BY_MAX), name);
    *is_short = a.is_out;
    arena_free(&a);
    return kind;
}

static store_bytes letter_row_key(const letter *m)
{
    return (store_bytes){m->key, m->kind == LETTER_TRIES ? RUN_ID_BYTES : LETTER_KEY_BYTES};
}

static void letter_commit(letter *m, store_row_op op, size_t value_len)
{
    home *h = m->home;
    assert(m->kind < LETTER_KINDS);
    assert(op == STORE_ROW_PUT || value_len == 0);
    m->next = NULL;
    m->row = (store_row){.op = op, .table = tables[m->kind], .key = letter_row_key(m), .value = {m->value, value_len}};
    m->segment = (store_segment){.run = m->run, .live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .rows = &m->row};
    home_send(h, &m->segment);
}

/* A loop's arrival numbers ascend, also when the clock is set back: the letters of one run are read in order. */
static uint64_t letter_next_arrival(home *h)
{
    uint64_t now = (uint64_t)clock_wall_ms() << 20;
    assert(h->last_letter < UINT64_MAX);
    h->last_letter = now > h->last_letter ? now : h->last_letter + 1;
    return h->last_letter;
}

bool letter_send(home *h, const run_id *to, letter_kind kind, const char *by)
{
    assert(kind == LETTER_CANCEL || kind == LETTER_RELEASE);
    letter *m = calloc(1, sizeof *m);
    if (!m) return false;
    *m = (letter){.home = h, .run = *to, .kind = kind};
    memcpy(m->key, to->bytes, RUN_ID_BYTES);
    letter_put_be64(m->key + RUN_ID_BYTES, letter_next_arrival(h));
    (void)snprintf(m->by, sizeof m->by, "%s", by ? by : letter_of_client);
    size_t len = letter_pack(m->value, kind, m->by);
    if (len == 0) {
        free(m);
        return false;
    }
    letter_commit(m, STORE_ROW_PUT, len);
    return true;
}

letter *letter_read(home *h, const store_table_row *row, bool *is_short)
{
    char by[LETTER_BY_MAX + 1];
    int64_t kind = letter_unpack(h, row->value, by, is_short);
    bool known = row->key.len == LETTER_KEY_BYTES && (kind == LETTER_CANCEL || kind == LETTER_RELEASE);
    letter *m = known ? calloc(1, sizeof *m) : NULL;
    *is_short = *is_short || (known && !m);
    if (!m) return NULL;
    *m = (letter){.home = h, .kind = (letter_kind)kind};
    memcpy(m->key, row->key.data, sizeof m->key);
    memcpy(m->by, by, sizeof m->by);
    memcpy(m->run.bytes, m->key, RUN_ID_BYTES);
    return m;
}

letter *letter_new_tries(home *h, const run_id *id)
{
    letter *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    *m = (letter){.home = h, .run = *id, .kind = LETTER_TRIES};
    memcpy(m->key, id->bytes, RUN_ID_BYTES);
    return m;
}

void letter_put_tries(letter *m, size_t value_len)
{
    assert(m->kind == LETTER_TRIES && value_len <= sizeof m->value);
    letter_commit(m, STORE_ROW_PUT, value_len);
}

bool letter_is_in(const letter *list, letter_kind kind) { return letter_by(list, kind) != NULL; }

const char *letter_by(const letter *list, letter_kind kind)
{
    while (list && list->kind != kind) list = list->next;
    return list ? list->by : NULL;
}

const store_row *letter_deletions(letter *list)
{
    for (letter *m = list; m; m = m->next)
        m->row = (store_row){.next = m->next ? &m->next->row : NULL,
                             .op = STORE_ROW_DELETE,
                             .table = tables[m->kind],
                             .key = letter_row_key(m)};
    return list ? &list->row : NULL;
}

void letter_move(letter **from, letter **to)
{
    assert(from != to);
    while (*to) to = &(*to)->next;
    *to = *from;
    *from = NULL;
}

void letter_drop(home *h, letter **list)
{
    for (letter *m = *list, *next; m; m = next) {
        next = m->next;
        assert(m->home == h);
        if (m->kind == LETTER_TRIES) suspects_row_gone(m);
        letter_commit(m, STORE_ROW_DELETE, 0);
    }
    (void)h;
    *list = NULL;
}

void letter_drop_tries(letter **list)
{
    for (letter **at = list; *at;) {
        letter *m = *at;
        if (m->kind != LETTER_TRIES) {
            at = &m->next;
            continue;
        }
        *at = m->next;
        m->next = NULL;
        letter_drop(m->home, &m);
    }
}

void letter_settled(letter **list)
{
    for (const letter *m = *list; m; m = m->next)
        if (m->kind == LETTER_TRIES) suspects_row_gone(m);
    letter_free_all(list);
}

void letter_free_all(letter **list)
{
    for (letter *m = *list, *next; m; m = next) {
        next = m->next;
        free(m);
    }
    *list = NULL;
}

/* A letter's row is deleted, or the commit failed. A row of `tries` that stayed would be held against its run, which
 * goes on: the run's next commit deletes it. A release that was denied would be obeyed by the next start, and a row of
 * `tries` of a run that has ended would be read by it: those are deleted when the journal takes writes again. */
static void letter_on_deleted(letter *m, const char *error)
{
    assert(!m->next);
    slot *s = error && m->kind == LETTER_TRIES ? slot_find(&m->home->slots, &m->run) : NULL;
    if (s)
        letter_move(&m, s->run ? &s->run->letters : &s->letters);
    else if (error)
        letter_move(&m, &m->home->undeleted);
    else
        free(m);
}

void letter_delete_again(home *h) { letter_drop(h, &h->undeleted); }

void letter_committed(store_segment *s)
{
    letter *m = (letter *)((char *)s - offsetof(letter, segment));
    assert(s->rows == &m->row && s->len == 0); /* else it is a run's segment */
    home_segment_back(m->home);
    if (m->row.op == STORE_ROW_DELETE)
        letter_on_deleted(m, s->error);
    else if (m->kind == LETTER_TRIES)
        suspects_raised(m, s->error);
    else
        slot_take_letter(m->home, m, s->error);
}
