#include "runtime/run/mail.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/random.h"
#include "runtime/base/utf8.h"
#include "runtime/base/value.h"
#include "runtime/run/home.h"
#include "runtime/run/notice.h"
#include "runtime/stepwell.h"

enum { MAIL_FIELDS = 5 };

bool mail_name_fits(const char *name, size_t len)
{
    return len > 0 && len <= MAIL_NAME_MAX && utf8_is_clean(name, len);
}

/* Makes a letter with room for its texts. NULL: no memory. */
static mail_letter *mail_alloc(home *h, mail_kind kind, entry_text name, entry_text value)
{
    mail_letter *m = calloc(1, sizeof *m + name.len + value.len);
    if (!m) return NULL;
    m->home = h;
    m->kind = kind;
    msgpack_sbuffer_init(&m->packed);
    if (name.len > 0) memcpy(m->content, name.data, name.len);
    if (value.len > 0) memcpy(m->content + name.len, value.data, value.len);
    m->name = (entry_text){m->content, name.len};
    m->value = (entry_text){m->content + name.len, value.len};
    return m;
}

void mail_free(mail_letter *m)
{
    assert(!m->on_fate);
    msgpack_sbuffer_destroy(&m->packed);
    free(m->notice);
    free(m->mark);
    free(m);
}

void mail_discard(mail_letter *m)
{
    m->on_fate = NULL;
    mail_free(m);
}

/* ---- Bytes ---- */

/* Packs [id, kind, name, value, from]. False: no memory. */
static bool mail_pack(mail_letter *m)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, &m->packed, msgpack_sbuffer_write);
    size_t by_len = strlen(m->by);
    bool ok = msgpack_pack_array(&pk, MAIL_FIELDS) == 0 && msgpack_pack_bin(&pk, sizeof m->id) == 0 &&
              msgpack_pack_bin_body(&pk, m->id, sizeof m->id) == 0 && msgpack_pack_int(&pk, (int)m->kind) == 0 &&
              msgpack_pack_str(&pk, m->name.len) == 0 && msgpack_pack_str_body(&pk, m->name.data, m->name.len) == 0 &&
              msgpack_pack_bin(&pk, m->value.len) == 0 &&
              msgpack_pack_bin_body(&pk, m->value.data, m->value.len) == 0 && msgpack_pack_str(&pk, by_len) == 0 &&
              msgpack_pack_str_body(&pk, m->by, by_len) == 0;
    m->row_bytes = mail_is_return(m) ? 0 : m->packed.size;
    return ok;
}

/* A result may be large: its value is kept once, in its row. */
static bool mail_pack_return(mail_letter *m, entry_text value)
{
    const size_t behind = 1; /* of the value: its sender's name, which is empty */
    m->value = value;
    if (!mail_pack(m)) return false;
    assert(!*m->by && m->packed.size > value.len + behind);
    m->value.data = m->packed.data + (m->packed.size - behind - value.len);
    return true;
}

void mail_make_put(mail_letter *m)
{
    assert(m->packed.size > 0);
    m->row = (store_row){.op = STORE_ROW_PUT,
                         .table = letter_table,
                         .key = {m->key, sizeof m->key},
                         .value = {m->packed.data, m->packed.size}};
}

const store_row *mail_rows(mail_letter *m, const store_row *then)
{
    assert(m->row.op == STORE_ROW_PUT && m->row.table);
    if (m->mark) {
        m->mark->row.next = then;
        then = &m->mark->row;
    }
    m->row.next = notice_row(m->notice, then);
    return &m->row;
}

/* Makes the mark of the answer to a question. False: no memory. */
static bool mail_make_mark(mail_letter *m)
{
    _Static_assert((int)LETTER_MARK_BYTES == (int)RUN_ID_BYTES + (int)ENTRY_LETTER_BYTES, "a run, and a letter's id");
    mail_mark *k = calloc(1, sizeof *k);
    if (!k) return false;
    memcpy(k->key, m->run.bytes, RUN_ID_BYTES);
    memcpy(k->key + RUN_ID_BYTES, m->id, sizeof m->id);
    random_bytes(k->nonce, sizeof k->nonce);
    k->row = (store_row){.op = STORE_ROW_INSERT,
                         .table = STORE_MARKS_TABLE,
                         .key = {k->key, sizeof k->key},
                         .value = {k->nonce, sizeof k->nonce}};
    m->mark = k;
    return true;
}

/* What a letter has in a cluster. False: no memory. */
static bool mail_prepare(home *h, mail_letter *m)
{
    bool is_answer = m->question != 0 && h->cluster->has_others;
    const notice_news news = {.run = m->run, .number = mail_arrival(m), .about = m->question};
    return (!is_answer || mail_make_mark(m)) && notice_make(h, &news, &m->notice);
}

mail_letter *mail_new(home *h, const run_id *to, const mail_wish *wish)
{
    assert(mail_name_fits(wish->name.data, wish->name.len));
    assert(wish->value.len > 0);
    mail_letter *m = mail_alloc(h, MAIL_SIGNAL, wish->name, wish->value);
    if (!m) return NULL;
    m->run = *to;
    m->question = wish->question;
    letter_make_key(h, to, m->key);
    if (wish->id)
        memcpy(m->id, wish->id, sizeof m->id);
    else
        random_bytes(m->id, sizeof m->id);
    (void)snprintf(m->by, sizeof m->by, "%s", wish->by ? wish->by : letter_of_client);
    if (!mail_pack(m) || !mail_prepare(h, m)) {
        mail_free(m);
        return NULL;
    }
    m->on_fate = wish->on_fate;
    m->arg = wish->arg;
    return m;
}

mail_letter *mail_new_return(home *h, const run_id *to, uint64_t arrival, const run_id *child, entry_text value)
{
    assert(value.len > 0);
    _Static_assert((int)ENTRY_LETTER_BYTES == (int)RUN_ID_BYTES, "such a letter has the child's id");
    mail_letter *m = mail_alloc(h, MAIL_RETURN, (entry_text){NULL, 0}, (entry_text){NULL, 0});
    if (!m) return NULL;
    m->run = *to;
    letter_write_key(to, arrival, m->key);
    memcpy(m->id, child->bytes, sizeof m->id);
    if (!mail_pack_return(m, value) || !mail_prepare(h, m)) {
        mail_free(m);
        return NULL;
    }
    mail_make_put(m);
    return m;
}

/* Whether the value is [id, kind, name, value, from] of a letter of these kinds; more may follow. */
static bool value_is_mail(const sw_value *v)
{
    if (v->type != MSGPACK_OBJECT_ARRAY || v->via.array.size < MAIL_FIELDS) return false;
    const sw_value *f = v->via.array.ptr;
    if (f[0].type != MSGPACK_OBJECT_BIN || f[0].via.bin.size != ENTRY_LETTER_BYTES ||
        f[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER || f[2].type != MSGPACK_OBJECT_STR ||
        f[3].type != MSGPACK_OBJECT_BIN || f[3].via.bin.size == 0 || f[4].type != MSGPACK_OBJECT_STR)
        return false;
    return f[1].via.u64 == MAIL_RETURN ||
           (f[1].via.u64 == MAIL_SIGNAL && mail_name_fits(f[2].via.str.ptr, f[2].via.str.size));
}

static mail_letter *mail_of_value(home *h, const sw_value *v)
{
    const sw_value *f = v->via.array.ptr;
    mail_letter *m = mail_alloc(h, (mail_kind)f[1].via.u64, (entry_text){f[2].via.str.ptr, f[2].via.str.size},
                                (entry_text){f[3].via.bin.ptr, f[3].via.bin.size});
    if (!m) return NULL;
    size_t by_len = f[4].via.str.size < LETTER_BY_MAX ? f[4].via.str.size : LETTER_BY_MAX;
    memcpy(m->id, f[0].via.bin.ptr, sizeof m->id);
    memcpy(m->by, f[4].via.str.ptr, by_len);
    return m;
}

mail_letter *mail_read(home *h, const store_table_row *row, bool *is_short)
{
    arena a;
    sw_value v = {.type = MSGPACK_OBJECT_NIL};
    const char *error = NULL;
    arena_init(&a, h->arenas);
    bool is_read = row->key.len == LETTER_KEY_BYTES && value_unpack(&a, row->value.data, row->value.len, &v, &error);
    bool is_mail = is_read && value_is_mail(&v);
    mail_letter *m = is_mail ? mail_of_value(h, &v) : NULL;
    *is_short = a.is_out || (is_mail && !m);
    if (m) {
        memcpy(m->key, row->key.data, sizeof m->key);
        memcpy(m->run.bytes, m->key, RUN_ID_BYTES);
        m->row_bytes = mail_is_return(m) ? 0 : row->value.len;
        letter_see_key(h, m->key);
    }
    arena_free(&a);
    return m;
}

mail_letter *mail_new_missing(home *h, const uint8_t key[LETTER_KEY_BYTES])
{
    mail_letter *m = mail_alloc(h, MAIL_RETURN, (entry_text){NULL, 0}, (entry_text){NULL, 0});
    if (!m) return NULL;
    memcpy(m->key, key, sizeof m->key);
    memcpy(m->run.bytes, key, RUN_ID_BYTES);
    return m;
}

mail_letter *mail_read_return(home *h, const store_table_row *row)
{
    bool is_short = false;
    assert(row->key.len == LETTER_KEY_BYTES);
    mail_letter *m = mail_read(h, row, &is_short);
    if (m && !mail_is_return(m)) {
        mail_free(m);
        m = NULL;
    }
    return m || is_short ? m : mail_new_missing(h, row->key.data);
}

mail_letter *mail_strip(mail_letter *m)
{
    assert(!m->next && !m->on_fate);
    msgpack_sbuffer_destroy(&m->packed);
    msgpack_sbuffer_init(&m->packed);
    m->name = m->value = (entry_text){NULL, 0};
    mail_letter *smaller = realloc(m, sizeof *m);
    if (smaller) m = smaller;
    return m;
}

/* By its first bytes: of a long letter the rest is not looked at. A later version may append up to ten items. */
bool mail_is(store_bytes value)
{
    enum { ARRAY = 0x90, ARRAY_MAX = 0x9f }; /* msgpack's fixarray */
    static const uint8_t id_head[] = {0xc4, ENTRY_LETTER_BYTES};
    const uint8_t *bytes = value.data;
    const size_t kind_at = 1 + sizeof id_head + ENTRY_LETTER_BYTES;
    return value.len > kind_at && bytes[0] >= (ARRAY | MAIL_FIELDS) && bytes[0] <= ARRAY_MAX &&
           memcmp(bytes + 1, id_head, sizeof id_head) == 0 &&
           (bytes[kind_at] == MAIL_SIGNAL || bytes[kind_at] == MAIL_RETURN);
}

bool mail_has_id(store_bytes value, const uint8_t id[ENTRY_LETTER_BYTES])
{
    const size_t id_at = 3; /* behind the heads that mail_is has looked at */
    assert(mail_is(value));
    return memcmp((const uint8_t *)value.data + id_at, id, ENTRY_LETTER_BYTES) == 0;
}

uint64_t mail_arrival(const mail_letter *m) { return letter_arrival_of(m->key); }

/* ---- On their way ---- */

void mail_tell(mail_letter *m, mail_fate fate)
{
    void (*on_fate)(void *arg, mail_fate fate) = m->on_fate;
    m->on_fate = NULL;
    if (on_fate) on_fate(m->arg, fate);
}

static void mail_send(mail_letter *m, const store_row *rows)
{
    assert(!m->next);
    m->segment =
        (store_segment){.run = m->run, .live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .rows = rows, .tag = MAIL_TAG};
    home_send(m->home, &m->segment);
}

void mail_put(mail_letter *m)
{
    mail_make_put(m);
    mail_send(m, mail_rows(m, NULL));
}

const store_row *mail_deletion(mail_letter *m, const store_row *then)
{
    m->row = (store_row){.next = then, .op = STORE_ROW_DELETE, .table = letter_table, .key = {m->key, sizeof m->key}};
    return &m->row;
}

void mail_delete(mail_letter *m) { mail_send(m, mail_deletion(m, NULL)); }
