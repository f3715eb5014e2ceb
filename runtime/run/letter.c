#include "runtime/run/letter.h"

#include <assert.h>
#include <msgpack.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/base/random.h"
#include "runtime/base/utf8.h"
#include "runtime/base/value.h"
#include "runtime/run/home.h"
#include "runtime/run/lookout.h"
#include "runtime/run/notice.h"
#include "runtime/run/program.h"
#include "runtime/run/run.h"
#include "runtime/run/suspects.h"
#include "runtime/stepwell.h"
#include "storage/row_bytes.h"

enum { LETTER_FIELDS = 5, LETTER_ID_BYTES = 16 };
_Static_assert(LETTER_CANCEL == 1 && LETTER_RELEASE == 2 && LETTER_STOP == 3 && LETTER_REOPEN == 7,
               "letters on disk have these numbers");
_Static_assert(LETTER_KEY_BYTES == RUN_ID_BYTES + sizeof(uint64_t), "a key is a run's id and an arrival number");

const char letter_table[] = "inbox";
const char letter_of_client[] = "client", letter_of_caller[] = "the run that has called it",
           letter_of_winner[] = "its caller: another was first";
_Static_assert(sizeof "its caller: another was first" <= LETTER_BY_MAX + 1, "who a letter is of is written whole");

bool letter_is_by_caller(const char *by, size_t by_len)
{
    const entry_text who = {by, by_len};
    return entry_text_is(who, letter_of_caller) || entry_text_is(who, letter_of_winner);
}

static const char *table_of(const letter *m) { return m->kind == LETTER_TRIES ? "tries" : letter_table; }

static bool letter_is_wish(int64_t kind)
{
    return kind == LETTER_CANCEL || kind == LETTER_RELEASE || kind == LETTER_STOP || kind == LETTER_REOPEN;
}

/* Makes a letter with room for a text of that length. NULL: no memory. */
static letter *letter_new(home *h, letter_kind kind, size_t text_len)
{
    letter *m = calloc(1, sizeof *m + LETTER_VALUE_MAX + 2 * text_len);
    if (!m) return NULL;
    m->home = h;
    m->kind = kind;
    m->text_len = text_len;
    m->text = m->value + LETTER_VALUE_MAX + text_len; /* the value may take all that is before it */
    return m;
}

static void letter_free(letter *m)
{
    free(m->notice);
    free(m);
}

/* Fills m->value with [id, kind, name, value, from]: the value is the letter's text, and no letter has a name. Returns
 * its length; 0: no memory. */
static size_t letter_pack(letter *m)
{
    uint8_t id[LETTER_ID_BYTES];
    msgpack_sbuffer b;
    msgpack_packer pk;
    random_bytes(id, sizeof id);
    msgpack_sbuffer_init(&b);
    msgpack_packer_init(&pk, &b, msgpack_sbuffer_write);
    bool ok = msgpack_pack_array(&pk, LETTER_FIELDS) == 0 && msgpack_pack_bin(&pk, sizeof id) == 0 &&
              msgpack_pack_bin_body(&pk, id, sizeof id) == 0 && msgpack_pack_int(&pk, (int)m->kind) == 0 &&
              value_pack_text(&pk, "") && msgpack_pack_bin(&pk, m->text_len) == 0 &&
              msgpack_pack_bin_body(&pk, m->text, m->text_len) == 0 && value_pack_text(&pk, m->by);
    size_t len = ok ? b.size : 0;
    assert(len <= LETTER_VALUE_MAX + m->text_len);
    if (len > 0) memcpy(m->value, b.data, len);
    msgpack_sbuffer_destroy(&b);
    return len;
}

/* What letter_unpack finds; the text is the arena's. */
typedef struct letter_content {
    int64_t kind; /* 0: the letter cannot be read */
    char by[LETTER_BY_MAX + 1];
    entry_text text;
} letter_content;

static entry_text letter_field(const msgpack_object *array, uint32_t at, msgpack_object_type type)
{
    if (array->type != MSGPACK_OBJECT_ARRAY || array->via.array.size <= at) return (entry_text){NULL, 0};
    const msgpack_object *field = &array->via.array.ptr[at];
    if (field->type != type) return (entry_text){NULL, 0};
    return (entry_text){field->via.str.ptr, field->via.str.size}; /* of a bin, too: see the assertion below */
}
_Static_assert(offsetof(msgpack_object_str, ptr) == offsetof(msgpack_object_bin, ptr), "both are read as a str");
_Static_assert(offsetof(msgpack_object_str, size) == offsetof(msgpack_object_bin, size), "both are read as a str");

/* Reads a letter, which begins as letter_pack writes it, into `a`. */
static letter_content letter_unpack(arena *a, store_bytes value)
{
    letter_content c = {.kind = 0};
    sw_value v = {.type = MSGPACK_OBJECT_NIL};
    const char *error = NULL;
    if (!value_unpack(a, value.data, value.len, &v, &error)) return c;
    bool has_kind = v.type == MSGPACK_OBJECT_ARRAY && v.via.array.size >= 2 &&
                    v.via.array.ptr[1].type == MSGPACK_OBJECT_POSITIVE_INTEGER;
    if (has_kind) c.kind = v.via.array.ptr[1].via.i64;
    entry_text from = letter_field(&v, 4, MSGPACK_OBJECT_STR);
    if (!from.data) from = entry_text_of(letter_of_client);
    (void)snprintf(c.by, sizeof c.by, "%.*s", (int)(from.len < LETTER_BY_MAX ? from.len : LETTER_BY_MAX), from.data);
    c.text = letter_field(&v, 3, MSGPACK_OBJECT_BIN);
    if (c.text.len > LETTER_TEXT_MAX) c.text.len = utf8_whole(c.text.data, LETTER_TEXT_MAX);
    return c;
}

static store_bytes letter_row_key(const letter *m)
{
    return (store_bytes){m->key, m->kind == LETTER_TRIES ? RUN_ID_BYTES : LETTER_KEY_BYTES};
}

const store_row *letter_mark_row(letter_receipt *r)
{
    random_bytes(r->nonce, sizeof r->nonce);
    r->row = (store_row){.op = BUG(BULK_AGAIN) ? STORE_ROW_PUT : STORE_ROW_INSERT,
                         .table = r->table,
                         .key = {r->mark, sizeof r->mark},
                         .value = {r->nonce, sizeof r->nonce}};
    return &r->row;
}

static void letter_commit(letter *m, store_row_op op, size_t value_len)
{
    home *h = m->home;
    assert(op == STORE_ROW_PUT || value_len == 0);
    const bool is_put = op == STORE_ROW_PUT;
    const store_row *mark = is_put && m->receipt ? letter_mark_row(m->receipt) : NULL;
    m->next = NULL;
    m->row = (store_row){.next = is_put ? notice_row(m->notice, mark) : NULL,
                         .op = op,
                         .table = table_of(m),
                         .key = letter_row_key(m),
                         .value = {m->value, value_len}};
    m->segment = (store_segment){.run = m->run, .live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .rows = &m->row};
    home_send(h, &m->segment);
}

/* The last byte is the node's number, and no loop of the node makes a number that another one has made: a run of
 * another node may get letters from all of them at once. */
static uint64_t letter_next_of_node(const home *h, uint64_t least)
{
    uint64_t *last = &h->app->last_letter, before = __atomic_load_n(last, __ATOMIC_RELAXED), next;
    do {
        next = least > before ? least : before + 1;
        next += (uint8_t)(h->cluster->self - next);
    } while (!__atomic_compare_exchange_n(last, &before, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return next;
}

/* A loop's arrival numbers ascend, also when the clock is set back, and go on behind those of letters that were read
 * (letter_read): the letters of one run are read in order. */
static uint64_t letter_next_arrival(home *h)
{
    uint64_t now = (uint64_t)clock_wall_ms() << 20, next = now > h->last_letter ? now : h->last_letter + 1;
    assert(h->last_letter < UINT64_MAX);
    h->last_letter = h->cluster->has_others ? letter_next_of_node(h, next) : next;
    return h->last_letter;
}

void letter_write_key(const run_id *to, uint64_t arrival, uint8_t key[LETTER_KEY_BYTES])
{
    memcpy(key, to->bytes, RUN_ID_BYTES);
    row_put_be(key + RUN_ID_BYTES, arrival, 8);
}

void letter_make_key(home *h, const run_id *to, uint8_t key[LETTER_KEY_BYTES])
{
    letter_write_key(to, letter_next_arrival(h), key);
}

uint64_t letter_arrival_of(const uint8_t key[LETTER_KEY_BYTES]) { return row_get_be(key + RUN_ID_BYTES, 8); }

void letter_see_key(home *h, const uint8_t key[LETTER_KEY_BYTES])
{
    uint64_t arrival = letter_arrival_of(key);
    if (arrival > h->last_letter && !letter_is_of_call(arrival)) h->last_letter = arrival;
}

/* False: no memory. */
static bool letter_add_notice(letter *m)
{
    const notice_news news = {.run = m->run, .number = letter_arrival_of(m->key)};
    return notice_make(m->home, &news, &m->notice);
}

bool letter_send(home *h, const run_id *to, const letter_wish *wish)
{
    size_t text_len = wish->text ? strlen(wish->text) : 0;
    assert(letter_is_wish(wish->kind));
    assert(text_len <= LETTER_TEXT_MAX && (text_len == 0 || wish->kind == LETTER_STOP));
    letter *m = letter_new(h, wish->kind, text_len);
    if (!m) return false;
    m->run = *to;
    letter_make_key(h, to, m->key);
    (void)snprintf(m->by, sizeof m->by, "%s", wish->by ? wish->by : letter_of_client);
    if (text_len > 0) memcpy(m->text, wish->text, text_len);
    size_t len = letter_pack(m);
    if (len == 0 || !letter_add_notice(m)) {
        letter_free(m);
        return false;
    }
    m->receipt = wish->receipt;
    m->is_apart = wish->receipt != NULL;
    letter_commit(m, STORE_ROW_PUT, len);
    return true;
}

/* Makes the row of a letter from run to run, whose text is there; its key has that number. Frees it, and returns NULL:
 * no memory. */
static letter *letter_finish(letter *m, const run_id *to, uint64_t arrival, const char *by)
{
    m->run = *to;
    m->is_apart = true;
    letter_write_key(to, arrival, m->key);
    (void)snprintf(m->by, sizeof m->by, "%s", by);
    size_t len = letter_pack(m);
    if (len == 0 || !letter_add_notice(m)) {
        letter_free(m);
        return NULL;
    }
    m->row =
        (store_row){.op = STORE_ROW_PUT, .table = letter_table, .key = letter_row_key(m), .value = {m->value, len}};
    return m;
}

letter *letter_new_recall(home *h, const run_id *to, uint32_t generation, bool has_lost)
{
    letter *m = letter_new(h, LETTER_CANCEL, 0);
    const char *by = has_lost ? letter_of_winner : letter_of_caller;
    return m ? letter_finish(m, to, letter_of_call(generation, LETTER_OF_RECALL), by) : NULL;
}

/* The text of a LETTER_REOPEN: the caller's id, then numbers, big endian. Its generation is in the key. */
enum { CALL_NUMBER_AT = RUN_ID_BYTES, CALL_TIMEOUT_AT = CALL_NUMBER_AT + 8, CALL_DUE_AT = CALL_TIMEOUT_AT + 8 };
enum { CALL_BYTES = CALL_DUE_AT + 8 };

letter *letter_new_reopen(home *h, const run_id *to, const letter_call *call, const char *by)
{
    letter *m = letter_new(h, LETTER_REOPEN, CALL_BYTES);
    if (!m) return NULL;
    memcpy(m->text, call->caller.bytes, RUN_ID_BYTES);
    uint8_t *text = (uint8_t *)m->text;
    row_put_be(text + CALL_NUMBER_AT, call->number, 8);
    row_put_be(text + CALL_TIMEOUT_AT, (uint64_t)call->timeout_ms, 8);
    row_put_be(text + CALL_DUE_AT, (uint64_t)call->parent_due_ms, 8);
    return letter_finish(m, to, letter_of_call(call->generation, LETTER_OF_REOPEN), by);
}

bool letter_read_call(const letter *m, letter_call *out)
{
    assert(m->kind == LETTER_REOPEN);
    if (m->text_len < CALL_BYTES) return false;
    const uint8_t *text = (const uint8_t *)m->text;
    *out = (letter_call){.generation = letter_generation_of(letter_arrival_of(m->key)),
                         .number = (uint32_t)row_get_be(text + CALL_NUMBER_AT, 8),
                         .timeout_ms = (int64_t)row_get_be(text + CALL_TIMEOUT_AT, 8),
                         .parent_due_ms = (int64_t)row_get_be(text + CALL_DUE_AT, 8)};
    memcpy(out->caller.bytes, m->text, RUN_ID_BYTES);
    return out->timeout_ms >= 0 && out->parent_due_ms >= 0;
}

letter *letter_read(home *h, const store_table_row *row, bool *is_short)
{
    arena a;
    arena_init(&a, h->arenas);
    letter_content c = letter_unpack(&a, row->value);
    bool known = row->key.len == LETTER_KEY_BYTES && letter_is_wish(c.kind);
    letter *m = known ? letter_new(h, (letter_kind)c.kind, c.text.len) : NULL;
    *is_short = a.is_out || (known && !m);
    if (m) {
        memcpy(m->key, row->key.data, sizeof m->key);
        letter_see_key(h, m->key);
        m->is_apart = m->kind == LETTER_REOPEN;
        memcpy(m->by, c.by, sizeof m->by);
        memcpy(m->run.bytes, m->key, RUN_ID_BYTES);
        if (c.text.len > 0) memcpy(m->text, c.text.data, c.text.len);
    }
    arena_free(&a);
    return m;
}

letter_kind letter_kind_of(store_bytes value)
{
    arena a;
    arena_init(&a, NULL);
    int64_t kind = letter_unpack(&a, value).kind;
    arena_free(&a);
    return letter_is_wish(kind) ? (letter_kind)kind : LETTER_KINDS;
}

letter *letter_new_tries(home *h, const run_id *id)
{
    letter *m = letter_new(h, LETTER_TRIES, 0);
    if (!m) return NULL;
    m->run = *id;
    memcpy(m->key, id->bytes, RUN_ID_BYTES);
    return m;
}

void letter_put_tries(letter *m, size_t value_len)
{
    assert(m->kind == LETTER_TRIES && value_len <= LETTER_VALUE_MAX);
    letter_commit(m, STORE_ROW_PUT, value_len);
}

bool letter_is_in(const letter *list, letter_kind kind) { return letter_by(list, kind) != NULL; }

const char *letter_by(const letter *list, letter_kind kind)
{
    while (list && list->kind != kind) list = list->next;
    return list ? list->by : NULL;
}

bool letter_stops(const letter *list)
{
    bool stops = false;
    for (; list; list = list->next)
        if (list->kind == LETTER_STOP || list->kind == LETTER_RELEASE) stops = list->kind == LETTER_STOP;
    return stops;
}

void letter_set_obeyed(letter *list, letter_kind kind)
{
    for (; list; list = list->next)
        if (list->kind == kind) list->is_obeyed = true;
}

void letter_tell(letter *m, letter_fate fate)
{
    letter_receipt *r = m->receipt;
    m->receipt = NULL;
    if (r) r->on_fate(r, fate);
}

const store_row *letter_deletions(letter *list)
{
    for (letter *m = list; m; m = m->next)
        m->row = (store_row){.next = m->next ? &m->next->row : NULL,
                             .op = STORE_ROW_DELETE,
                             .table = table_of(m),
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

void letter_move_some(letter **from, letter **to, bool (*moves)(const void *arg, const letter *m), const void *arg)
{
    assert(from != to);
    while (*to) to = &(*to)->next;
    for (letter *m; (m = *from) != NULL;) {
        if (!moves(arg, m)) {
            from = &m->next;
            continue;
        }
        *from = m->next;
        m->next = NULL;
        *to = m;
        to = &m->next;
    }
}

static bool letter_has_kind(const void *arg, const letter *m) { return m->kind == *(const letter_kind *)arg; }

void letter_move_kind(letter **from, letter **to, letter_kind kind)
{
    letter_move_some(from, to, letter_has_kind, &kind);
}

void letter_drop(home *h, letter **list)
{
    for (letter *m = *list, *next; m; m = next) {
        next = m->next;
        assert(m->home == h);
        if (m->kind == LETTER_TRIES) suspects_row_gone(m);
        letter_tell(m, LETTER_IN_VAIN);
        letter_commit(m, STORE_ROW_DELETE, 0);
    }
    (void)h;
    *list = NULL;
}

void letter_drop_kind(letter **list, letter_kind kind)
{
    letter *all = NULL;
    letter_move_kind(list, &all, kind);
    if (all) letter_drop(all->home, &all);
}

void letter_settled(letter **list)
{
    for (letter *m = *list; m; m = m->next) {
        lookout_note_gone(m->home, &m->run);
        if (m->kind == LETTER_TRIES) suspects_row_gone(m);
        letter_tell(m, m->is_obeyed ? LETTER_OBEYED : LETTER_IN_VAIN);
    }
    letter_free_all(list);
}

void letter_free_all(letter **list)
{
    for (letter *m = *list, *next; m; m = next) {
        next = m->next;
        letter_tell(m, LETTER_KEPT);
        letter_free(m);
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
        letter_free(m);
}

void letter_delete_again(home *h) { letter_drop(h, &h->undeleted); }

static letter_fate letter_failed_fate(const store_segment *s)
{
    return s->outcome == STORE_KEY_TAKEN ? LETTER_TAKEN : s->outcome == STORE_UNKNOWN ? LETTER_KEPT : LETTER_UNWRITTEN;
}

void letter_committed(store_segment *s)
{

    letter *m = (letter *)((char *)s - offsetof(letter, segment));
    assert(s->rows == &m->row && s->len == 0); /* else it is a run's segment */
    home_segment_back(m->home);
    if (s->error) letter_tell(m, letter_failed_fate(s));
    if (m->receipt && m->row.op == STORE_ROW_PUT) m->receipt->on_written(m->receipt);
    if (m->row.op == STORE_ROW_DELETE)
        letter_on_deleted(m, s->error);
    else if (m->kind == LETTER_TRIES)
        suspects_raised(m, s->error);
    else if (!home_owns(m->home, &m->run))
        letter_free_all(&m); /* its owner's lookout finds it */
    else
        slot_take_letter(m->home, m, s->error);
}
