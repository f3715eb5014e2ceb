#include "runtime/run/mailbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/run/home.h"
#include "runtime/run/mailbox_core.h"
#include "runtime/run/returning.h"
#include "runtime/run/run.h"
#include "runtime/run/slot_core.h"
#include "runtime/run/strand.h"

enum { BUCKETS_FIRST = 64 };

/* ---- The table ---- */

void mailbox_table_init(mailbox_table *t)
{
    *t = (mailbox_table){.buckets = NULL};
    TAILQ_INIT(&t->over);
}

static mailbox **mailbox_bucket(const mailbox_table *t, const run_id *id)
{
    return &t->buckets[run_id_hash(id) & (t->bucket_count - 1)];
}

mailbox *mailbox_of(const home *h, const run_id *id)
{
    const mailbox_table *t = &h->mailboxes;
    mailbox *b = t->count > 0 ? *mailbox_bucket(t, id) : NULL;
    while (b && !run_id_equal(&b->run, id)) b = b->next;
    return b;
}

/* A table that cannot grow gets slower. False: there is none. */
static bool mailbox_table_grow(mailbox_table *t)
{
    size_t old_count = t->bucket_count, bucket_count = old_count ? old_count * 2 : BUCKETS_FIRST;
    mailbox **old = t->buckets, **buckets = calloc(bucket_count, sizeof *buckets);
    if (!buckets) return old_count > 0;
    t->buckets = buckets;
    t->bucket_count = bucket_count;
    for (size_t i = 0; i < old_count; i++)
        for (mailbox *b = old[i], *next; b; b = next) {
            next = b->next;
            b->next = *mailbox_bucket(t, &b->run);
            *mailbox_bucket(t, &b->run) = b;
        }
    free(old);
    return true;
}

mailbox *mailbox_make(home *h, const run_id *id)
{
    mailbox_table *t = &h->mailboxes;
    mailbox *b = mailbox_of(h, id);
    if (b) return b;
    if (t->count >= t->bucket_count && !mailbox_table_grow(t)) return NULL;
    b = calloc(1, sizeof *b);
    if (!b) return NULL;
    b->run = *id;
    b->next = *mailbox_bucket(t, id);
    *mailbox_bucket(t, id) = b;
    t->count++;
    return b;
}

void mailbox_end_keeping(home *h, mailbox *b)
{
    assert(h->mailboxes.kept_bytes >= b->kept_bytes);
    h->mailboxes.kept_bytes -= b->kept_bytes;
    b->kept_bytes = 0;
}

/* Keeps the letter in memory for its run, which is on its way there. False: other letters have to be read in any case,
 * or there is no room. */
static bool mailbox_keep(home *h, mailbox *b, mail_letter *m)
{
    mailbox_table *t = &h->mailboxes;
    size_t bytes = sizeof *m + m->row_bytes;
    bool is_all = b->held_count + 1 == b->count && b->taken == 0;
    if (!is_all || t->kept_bytes + bytes > KEPT_BYTES_MAX) return false;
    t->kept_bytes += bytes;
    b->kept_bytes += bytes;
    mailbox_hold(b, m);
    return true;
}

static void mailbox_empty(mailbox *b)
{
    for (mail_letter *m; (m = b->held) != NULL;) {
        b->held = m->next;
        mail_free(m);
    }
    b->held_count = 0;
    b->held_last = NULL;
}

void mailbox_free_held(home *h, mailbox *b)
{
    mailbox_end_keeping(h, b);
    mailbox_empty(b);
}

static void mailbox_free(mailbox *b)
{
    mailbox_empty(b);
    mailbox_free_returns(b);
    number_set_free(&b->returns);
    for (mail_letter *m; (m = b->writing) != NULL;) { /* lent to a home that has ended first: mailbox_lend */
        b->writing = m->next;
        mail_free(m);
    }
    free(b->names);
    free(b->arrivals);
    free(b);
}

void mailbox_tidy(home *h, mailbox *b)
{
    mailbox_table *t = &h->mailboxes;
    if (mailbox_on_disk(b) > 0 || b->writing || b->is_reading || b->names || b->wants > 0) return;
    if (b->returns_taken > 0 || b->reads_returns) return;
    assert(b->taken == 0 && !b->held && b->kept_bytes == 0 && b->held_bytes == 0 && (b->bytes == 0 || b->is_over));
    mailbox **at = mailbox_bucket(t, &b->run);
    while (*at != b) at = &(*at)->next;
    *at = b->next;
    t->count--;
    if (b->is_over) TAILQ_REMOVE(&t->over, b, in_over);
    mailbox_free(b);
}

void mailbox_table_free(mailbox_table *t)
{
    for (size_t i = 0; i < t->bucket_count; i++)
        for (mailbox *b = t->buckets[i], *next; b; b = next) {
            next = b->next;
            assert(!b->is_reading && !b->reads_returns);
            mailbox_free(b);
        }
    for (mail_letter *m; (m = t->undeleted) != NULL;) {
        t->undeleted = m->next;
        mail_free(m);
    }
    free(t->buckets);
}

bool mail_list_has(const mail_letter *list, const void *key)
{
    while (list && memcmp(list->key, key, LETTER_KEY_BYTES) != 0) list = list->next;
    return list != NULL;
}

/* ---- Which letters are on disk ---- */

size_t mailbox_on_disk(const mailbox *b) { return b->count + b->returns.count; }

bool mailbox_reserve(mailbox *b, size_t count)
{
    size_t room = b->room ? b->room : 4;
    if (count + b->writing_count <= b->room) return true;
    while (room < count + b->writing_count) room *= 2;
    uint64_t *bigger = realloc(b->arrivals, room * sizeof *bigger);
    if (!bigger) return false;
    b->arrivals = bigger;
    b->room = room;
    return true;
}

bool mailbox_has_arrival(const mailbox *b, uint64_t arrival)
{
    size_t at = b->count;
    while (at > 0 && b->arrivals[at - 1] > arrival) at--;
    return at > 0 && b->arrivals[at - 1] == arrival;
}

void mailbox_add_arrival(mailbox *b, uint64_t arrival)
{
    size_t at = b->count;
    assert(b->count < b->room);
    while (at > 0 && b->arrivals[at - 1] > arrival) at--;
    memmove(&b->arrivals[at + 1], &b->arrivals[at], (b->count - at) * sizeof arrival);
    b->arrivals[at] = arrival;
    b->count++;
}

static void mailbox_remove_arrival(mailbox *b, uint64_t arrival)
{
    size_t at = 0;
    while (at < b->count && b->arrivals[at] != arrival) at++;
    assert(at < b->count);
    b->count--;
    memmove(&b->arrivals[at], &b->arrivals[at + 1], (b->count - at) * sizeof arrival);
}

void mailbox_forget(mailbox *b, const mail_letter *m)
{
    assert(b->bytes >= m->row_bytes);
    mailbox_remove_arrival(b, mail_arrival(m));
    b->bytes -= m->row_bytes;
}

void mailbox_hold(mailbox *b, mail_letter *m)
{
    bool is_last = b->held_last && mail_arrival(b->held_last) < mail_arrival(m); /* as most are, when they are read */
    mail_letter **at = is_last ? &b->held_last->next : &b->held;
    while (*at && mail_arrival(*at) < mail_arrival(m)) at = &(*at)->next;
    assert(!*at || mail_arrival(*at) != mail_arrival(m));
    m->next = *at;
    *at = m;
    if (!m->next) b->held_last = m;
    b->held_count++;
}

mail_letter *mailbox_let_go(mailbox *b, mail_letter *m)
{
    mail_letter **at = &b->held, *before = NULL;
    for (; *at != m; at = &(*at)->next) before = *at;
    *at = m->next;
    if (b->held_last == m) b->held_last = before;
    m->next = NULL;
    b->held_count--;
    return m;
}

/* ---- Sending ---- */

static bool mailbox_has_id(const mailbox *b, const run *r, const uint8_t *id)
{
    for (const mail_letter *m = b ? b->held : NULL; m; m = m->next)
        if (memcmp(m->id, id, ENTRY_LETTER_BYTES) == 0) return true;
    return r && run_has_had(r, id);
}

size_t mailbox_signals(const mailbox *b) { return b->count - b->taken; }

/* Whether there is room for another letter of that size. One is always taken by an empty mailbox. */
static mailbox_answer mailbox_admits(const home *h, const mailbox *b, size_t row_bytes)
{
    size_t count = mailbox_signals(b) + b->writing_count;
    if (count >= (size_t)h->opt->signals_max) return MAILBOX_TOO_MANY;
    if (count > 0 && b->bytes + row_bytes > (size_t)h->opt->signals_bytes_max) return MAILBOX_TOO_LARGE;
    return MAILBOX_SENT;
}

slot *mailbox_slot(home *h, const run_id *id)
{
    slot *s = slot_find(&h->slots, id);
    if (!s && run_find_slotless(h, id)) s = slot_find_or_add(h, id);
    return s && (s->run || s->has_live_row || s->is_recovered) ? s : NULL;
}

/* Makes the letter, and room for it. Its mailbox is *in. */
static mailbox_answer mailbox_enter(home *h, slot *s, const mail_wish *wish, mailbox **in, mail_letter **out)
{
    mailbox *b = mailbox_of(h, &s->id);
    bool is_durable = !s->run || run_is_durable(s->run);
    if ((b && b->is_over) || !is_durable || s->state == SLOT_REOPENING) return MAILBOX_NOT_NOW;
    if (wish->id && mailbox_has_id(b, s->run, wish->id)) return MAILBOX_HAD;
    b = mailbox_make(h, &s->id);
    mail_letter *m = b ? mail_new(h, &s->id, wish) : NULL;
    mailbox_answer answer = m ? mailbox_admits(h, b, m->row_bytes) : MAILBOX_NO_MEMORY;
    if (answer == MAILBOX_SENT && !mailbox_reserve(b, b->count + 1)) answer = MAILBOX_NO_MEMORY;
    *in = b;
    *out = m;
    if (answer == MAILBOX_SENT) return answer;
    if (m) mail_discard(m);
    if (b) mailbox_tidy(h, b);
    return answer;
}

/* The letter is on its way to the disk. */
static void mailbox_link(mailbox *b, mail_letter *m)
{
    b->bytes += m->row_bytes;
    b->writing_count++;
    m->next = b->writing;
    b->writing = m;
}

mailbox_answer mailbox_send(home *h, slot *s, const mail_wish *wish)
{
    mailbox *b;
    mail_letter *m;
    mailbox_answer answer = mailbox_enter(h, s, wish, &b, &m);
    if (answer != MAILBOX_SENT) return answer;
    mail_put(m);
    mailbox_link(b, m);
    return answer;
}

mailbox_answer mailbox_lend(home *h, slot *s, const mail_wish *wish, mail_letter **lent)
{
    mailbox *b;
    mailbox_answer answer = mailbox_enter(h, s, wish, &b, lent);
    if (answer != MAILBOX_SENT) return answer;
    mail_make_put(*lent);
    mailbox_link(b, *lent);
    return answer;
}

static bool slot_listens(const mailbox *b, const slot *s, const mail_letter *m)
{
    uint32_t known = mailbox_name(m->name, m->question);
    if (s->state != SLOT_PARKED) return false;
    if (s->names[0] == SLOT_NAMES_ANY) return true;
    if (s->names[0] != SLOT_NAMES_MANY) return s->names[0] == known || s->names[1] == known;
    for (size_t i = 0; i < b->name_count; i++)
        if (b->names[i] == known) return true;
    return false;
}

void mailbox_deliver(home *h, mailbox *b, slot *s, mail_letter *m)
{
    mail_tell(m, MAIL_KEPT);
    if (s->run) {
        mailbox_hold(b, m);
        run_wake_waits(s->run);
        return;
    }
    bool wakes = slot_listens(b, s, m) && !BUG(LOSE_SIGNAL) && !h->draining;
    bool is_kept = (wakes || b->kept_bytes > 0) && mailbox_keep(h, b, m);
    if (!is_kept) mail_free(m);
    if (wakes) slot_wake(h, s);
}

static mail_fate mail_fate_of(const store_segment *segment)
{
    if (!segment->error) return MAIL_KEPT;
    if (segment->outcome == STORE_KEY_TAKEN) return MAIL_TAKEN;
    return segment->outcome == STORE_UNKNOWN ? MAIL_UNKNOWN : MAIL_UNWRITTEN;
}

static void mailbox_clear(home *h);

static void mailbox_take_written(home *h, mailbox *b, mail_letter *m, const store_segment *segment)
{
    slot *s = slot_find(&h->slots, &m->run);
    if (segment->error) {
        if (!b->is_over) b->bytes -= m->row_bytes;
        mail_tell(m, mail_fate_of(segment));
        mail_free(m);
        if (s && s->run) run_wake_waits(s->run);
        mailbox_tidy(h, b);
        return;
    }
    mailbox_add_arrival(b, mail_arrival(m));
    if (s && !b->is_over) {
        mailbox_deliver(h, b, s, m);
        return;
    }
    mail_tell(m, MAIL_LATE);
    mail_free(m);
    (void)mailbox_end(h, &b->run);
}

static void mailbox_on_written(home *h, mail_letter *m)
{
    mailbox *b = mailbox_of(h, &m->run);
    assert(b && b->writing_count > 0);
    mail_letter **at = &b->writing;
    while (*at != m) at = &(*at)->next;
    *at = m->next;
    m->next = NULL;
    b->writing_count--;
    msgpack_sbuffer_destroy(&m->packed);
    msgpack_sbuffer_init(&m->packed);
    mailbox_take_written(h, b, m, &m->segment);
}

void mailbox_settle(home *h, mail_letter *lent, store_outcome outcome)
{
    lent->segment.outcome = outcome;
    lent->segment.error = outcome == STORE_DONE ? NULL : "its sender's commit is not on disk";
    mailbox_on_written(h, lent);
}

void mailbox_committed(store_segment *segment)
{
    mail_letter *m = mail_of_segment(segment);
    home *h = m->home;
    home_segment_back(h);
    if (m->row.op == STORE_ROW_PUT && !home_owns(h, &m->run)) {
        mail_tell(m, mail_fate_of(segment)); /* that node's lookout finds it */
        mail_free(m);
    } else if (m->row.op == STORE_ROW_PUT && mail_is_return(m)) { /* of a run that could not write it itself */
        mail_tell(m, mail_fate_of(segment));
        if (segment->error)
            mail_free(m);
        else
            returning_hand(h, m);
    } else if (m->row.op == STORE_ROW_PUT) {
        mailbox_on_written(h, m);
    } else if (segment->error) { /* mailbox_delete_again */
        m->next = h->mailboxes.undeleted;
        h->mailboxes.undeleted = m;
    } else {
        mail_free(m);
    }
}

/* ---- Letters that nobody takes ---- */

/* Writes the keys of some letters of the run. Returns how many. */
static size_t mailbox_write_keys(const mailbox *b, uint8_t keys[CLEARED_AT_ONCE][LETTER_KEY_BYTES])
{
    size_t n = 0;
    for (; n < b->count && n < CLEARED_AT_ONCE; n++) letter_write_key(&b->run, b->arrivals[n], keys[n]);
    for (uint32_t call = 0; n < CLEARED_AT_ONCE && number_set_next(&b->returns, &call); call++, n++)
        letter_write_key(&b->run, letter_of_call(b->generation, call), keys[n]);
    return n;
}

/* Deletes rows of the first run that has ended and has any. */
static void mailbox_clear(home *h)
{
    mailbox_table *t = &h->mailboxes;
    mailbox *b = TAILQ_FIRST(&t->over);
    while (b && mailbox_on_disk(b) == 0) b = TAILQ_NEXT(b, in_over);
    if (t->clears || !b) return;
    size_t n = mailbox_write_keys(b, t->keys);
    for (size_t i = 0; i < n; i++) {
        t->rows[i] = (store_row){.next = i + 1 < n ? &t->rows[i + 1] : NULL,
                                 .op = STORE_ROW_DELETE,
                                 .table = letter_table,
                                 .key = {t->keys[i], LETTER_KEY_BYTES}};
    }
    t->segment = (store_segment){
        .run = b->run, .live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .rows = t->rows, .tag = MAILS_TAG};
    t->clears = true;
    home_send(h, &t->segment);
}

void mailbox_cleared(store_segment *segment)
{
    mailbox_table *t = (mailbox_table *)((char *)segment - offsetof(mailbox_table, segment));
    home *h = (home *)((char *)t - offsetof(home, mailboxes));
    mailbox *b = mailbox_of(h, &segment->run);
    home_segment_back(h);
    t->clears = false;
    assert(b && b->is_over);
    if (segment->error) return; /* mailbox_delete_again */
    for (const store_row *row = segment->rows; row; row = row->next) {
        uint64_t arrival = letter_arrival_of(row->key.data);
        if (letter_is_of_call(arrival))
            number_set_remove(&b->returns, letter_call_of(arrival));
        else
            mailbox_remove_arrival(b, arrival);
    }
    mailbox_tidy(h, b);
    mailbox_clear(h);
}

bool mailbox_end(home *h, const run_id *id)
{
    mailbox *b = mailbox_of(h, id);
    if (!b) return true;
    mailbox_free_held(h, b);
    mailbox_free_returns(b);
    b->taken = b->returns_taken = 0;
    b->wants = 0;
    free(b->names);
    b->names = NULL;
    b->name_count = 0;
    if (!b->is_over) TAILQ_INSERT_TAIL(&h->mailboxes.over, b, in_over);
    b->is_over = true;
    mailbox_tidy(h, b);
    mailbox_clear(h);
    return !mailbox_of(h, id);
}

void mailbox_delete_again(home *h)
{
    mail_letter *list = h->mailboxes.undeleted;
    h->mailboxes.undeleted = NULL;
    for (mail_letter *m; (m = list) != NULL;) {
        list = m->next;
        m->next = NULL;
        mail_delete(m);
    }
    mailbox_clear(h);
}
