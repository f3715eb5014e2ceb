#include "runtime/run/lookout.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/run/calling.h"
#include "runtime/run/mailbox_core.h"
#include "runtime/run/notice.h"
#include "runtime/run/run.h"
#include "runtime/run/slot_core.h"
#include "storage/row_cursor.h"

enum { LOOK_MS = 1000, AT_ONCE = 256, LETTERS_BYTES = 4 * 1024 * 1024 };

typedef enum found_state {
    FOUND_UNSEEN, /* its letter has not been read yet */
    FOUND_TAKEN,  /* its run has the letter, or had it before: the notice is to be deleted */
    FOUND_LEFT    /* there was no memory: the next look finds it again */
} found_state;

typedef struct found_notice {
    notice_news news;
    found_state state;
} found_notice;

struct lookout {
    home *home;
    struct timer due;
    row_cursor at_notice; /* where to read on */
    bool is_last;         /* behind the notices that were found there are no more */
    found_notice found[AT_ONCE];
    size_t count;
    size_t at, end;  /* with is_reading: those of the run whose letters are being read */
    bool is_reading; /* letters */
    bool is_stale;   /* some of these letters have gone since */
    uint8_t letters_from[LETTER_KEY_BYTES], letters_to[LETTER_KEY_BYTES];
    store_segment segment; /* deletes notices */
    store_row rows[AT_ONCE];
    uint8_t keys[AT_ONCE][NOTICE_KEY_BYTES];
};

static void look_on(lookout *l);

static void look_rest(lookout *l)
{
    if (!l->home->draining) (void)timers_start(&l->home->timers, &l->due, LOOK_MS);
}

/* ---- Deleting ---- */

/* Goes on behind the notices that were found. */
static void look_go_on(lookout *l)
{
    if (l->is_last)
        look_rest(l);
    else
        look_on(l);
}

static void look_delete_taken(lookout *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->count; i++) {
        const notice_news *news = &l->found[i].news;
        if (l->found[i].state != FOUND_TAKEN) continue;
        notice_write_key(&news->run, news->number, l->keys[n]);
        l->rows[n] = (store_row){.op = STORE_ROW_DELETE, .table = notice_table, .key = {l->keys[n], sizeof l->keys[n]}};
        if (n > 0) l->rows[n - 1].next = &l->rows[n];
        n++;
    }
    if (n == 0) {
        look_go_on(l);
        return;
    }
    l->segment = (store_segment){.run = l->found[0].news.run,
                                 .live = STORE_LIVE_UNCHANGED,
                                 .retain_ms = -1,
                                 .rows = l->rows,
                                 .tag = LOOKOUT_TAG};
    home_send(l->home, &l->segment);
}

void lookout_committed(store_segment *s)
{
    lookout *l = (lookout *)((char *)s - offsetof(lookout, segment));
    assert(s->tag == LOOKOUT_TAG);
    home_segment_back(l->home);
    if (s->error)
        look_rest(l); /* the notices are there still */
    else
        look_go_on(l);
}

/* ---- Letters ---- */

static bool letters_have(const letter *list, const uint8_t *key)
{
    while (list && memcmp(list->key, key, LETTER_KEY_BYTES) != 0) list = list->next;
    return list != NULL;
}

/* Whether the run has the letter already: the start has read it, or an earlier look. */
static bool slot_has_key(const slot *s, const uint8_t *key)
{
    return letters_have(s->letters, key) ||
           (s->run && (letters_have(s->run->letters, key) || letters_have(s->run->sealed_letters, key)));
}

/* Takes what somebody wants of the run. False: no memory. */
static bool look_take_wish(home *h, const store_table_row *row)
{
    bool is_short = false;
    letter *m = letter_read(h, row, &is_short);
    if (!m) return !is_short; /* one of a kind to come is left for a later version */
    slot *s = slot_find_or_add(h, &m->run);
    if (!s || slot_has_key(s, m->key)) {
        letter_free_all(&m);
        return s != NULL;
    }
    m->is_apart = true;
    slot_take_letter(h, m, NULL);
    return true;
}

/* Whether it is known what the call of the letter has come to: the start has read it, an earlier look has, or the run
 * has taken it, and the row is there until that is on disk. */
static bool look_has_return(const home *h, const mail_letter *m)
{
    const mailbox *b = mailbox_of(h, &m->run);
    const slot *s = slot_find(&h->slots, &m->run);
    if (!mail_is_return(m)) return false;
    const uint64_t arrival = mail_arrival(m);
    bool is_its = b && b->generation == letter_generation_of(arrival);
    if (is_its && number_set_has(&b->returns, letter_call_of(arrival))) return true;
    return s && s->run && (mail_list_has(s->run->mail_taken, m->key) || mail_list_has(s->run->mail_sealed, m->key));
}

/* False: no memory. */
static bool look_take_mail(home *h, const store_table_row *row, uint64_t question)
{
    bool is_short = false;
    mail_letter *m = mail_read(h, row, &is_short);
    if (!m) return !is_short;
    if (look_has_return(h, m)) {
        mail_free(m);
        return true;
    }
    if (!mail_is_return(m)) m->question = question;
    if (mailbox_arrive(h, m)) return true;
    mail_free(m);
    return false;
}

/* Takes the letter in a row of the inbox, if there is a notice of it. */
static void look_take_row(lookout *l, const store_table_row *row)
{
    if (row->key.len != LETTER_KEY_BYTES) return;
    const uint64_t number = letter_arrival_of(row->key.data);
    size_t i = l->at;
    while (i < l->end && l->found[i].news.number < number) i++;
    if (i == l->end || l->found[i].news.number != number) return;
    bool is_taken =
        mail_is(row->value) ? look_take_mail(l->home, row, l->found[i].news.about) : look_take_wish(l->home, row);
    l->found[i].state = is_taken ? FOUND_TAKEN : FOUND_LEFT;
}

/* The letters up to that number have been read: those that were not there have been taken, or nobody wanted them. */
static void look_pass(lookout *l, uint64_t number)
{
    for (; l->at < l->end && l->found[l->at].news.number <= number; l->at++)
        if (l->found[l->at].state == FOUND_UNSEEN) l->found[l->at].state = FOUND_TAKEN;
}

static void look_next(lookout *l);
static bool look_ask(lookout *l);

static void look_on_letters(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    lookout *l = arg;
    bool is_old = l->is_stale;
    assert(l->is_reading && l->at < l->end);
    l->is_reading = l->is_stale = false;
    if (l->home->draining) return;
    for (size_t i = 0; i < count && !error && !is_old; i++) look_take_row(l, &rows[i]);
    bool has_last = count > 0 && rows[count - 1].key.len == LETTER_KEY_BYTES;
    if (!error && !is_old && (end || has_last))
        look_pass(l, end ? UINT64_MAX : letter_arrival_of(rows[count - 1].key.data));
    if (!error && l->at < l->end && look_ask(l)) return;
    l->at = l->end;
    look_next(l);
}

/* Reads the letters of found[at] to found[end - 1], which are of one run. */
static bool look_ask(lookout *l)
{
    const notice_news *first = &l->found[l->at].news, *last = &l->found[l->end - 1].news;
    letter_write_key(&first->run, first->number, l->letters_from);
    letter_write_key(&last->run, last->number + 1, l->letters_to);
    const store_range range = {.table = letter_table,
                               .from = {l->letters_from, sizeof l->letters_from},
                               .to = {l->letters_to, sizeof l->letters_to},
                               .rows_max = AT_ONCE,
                               .bytes_max = LETTERS_BYTES};
    l->is_reading = store_scan(l->home->port, &range, look_on_letters, l);
    return l->is_reading;
}

void lookout_note_gone_of(lookout *l, const run_id *id)
{
    if (l->is_reading && run_id_equal(id, &l->found[l->at].news.run)) l->is_stale = true;
}

/* ---- Notices ---- */

/* Sees to found[at] and what follows. */
static void look_next(lookout *l)
{
    while (l->at < l->count) {
        found_notice *f = &l->found[l->at];
        if (f->news.number == NOTICE_OF_BEGIN) {
            bool is_taken = calling_take_child(l->home, &f->news.run, (int64_t)f->news.about);
            f->state = is_taken ? FOUND_TAKEN : FOUND_LEFT;
            l->at++;
            continue;
        }
        l->end = l->at + 1;
        while (l->end < l->count && run_id_equal(&f->news.run, &l->found[l->end].news.run)) l->end++;
        if (look_ask(l)) return;
        l->at = l->end;
    }
    look_delete_taken(l);
}

/* Goes on with the first slot of this node from that one on. */
static void look_skip_to(lookout *l, unsigned next)
{
    l->is_last = !cluster_next_slot(l->home->cluster, &next);
    const uint8_t first = (uint8_t)next;
    row_cursor_set(&l->at_notice, (store_bytes){&first, 1});
}

/* Takes a notice for this home. False: it is for another node, and so may be many behind it. */
static bool look_take_notice(lookout *l, const store_table_row *row)
{
    const home *h = l->home;
    const unsigned of = row->key.len > 0 ? *(const uint8_t *)row->key.data : 0;
    found_notice *f = &l->found[l->count];
    if (!cluster_owns_slot(h->cluster, of)) {
        look_skip_to(l, of + 1);
        return false;
    }
    row_cursor_pass(&l->at_notice, row->key);
    bool is_ours = notice_read(row, &f->news) && run_id_loop(&f->news.run, h->count) == h->index;
    f->state = FOUND_UNSEEN;
    l->count += is_ours;
    return true;
}

static void look_on_notices(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    lookout *l = arg;
    const home *h = l->home;
    if (h->draining) return;
    if (error) {
        look_rest(l);
        return;
    }
    assert(count <= AT_ONCE);
    l->is_last = end;
    l->at = l->count = 0;
    for (size_t i = 0; i < count; i++)
        if (!look_take_notice(l, &rows[i])) break;
    look_next(l);
}

static void look_on(lookout *l)
{
    home *h = l->home;
    if (h->draining) return;
    const store_range range = {.table = notice_table, .from = row_cursor_from(&l->at_notice), .rows_max = AT_ONCE};
    if (!store_scan(h->port, &range, look_on_notices, l)) look_rest(l);
}

static void look_on_due(struct timer *t)
{
    lookout *l = t->arg;
    if (!l->home->slots.all_found) {
        look_rest(l);
        return;
    }
    look_skip_to(l, 0);
    look_on(l);
}

/* ---- Opening and closing ---- */

bool lookout_open(home *h)
{
    if (!h->cluster->has_others) return true;
    lookout *l = calloc(1, sizeof *l);
    if (!l) return false;
    h->lookout = l;
    l->home = h;
    l->due = (struct timer){.fn = look_on_due, .arg = l, .has_reserve = timers_reserve(&h->timers, 1)};
    return l->due.has_reserve;
}

void lookout_begin(home *h)
{
    if (h->lookout) look_rest(h->lookout);
}

void lookout_drain(home *h)
{
    if (h->lookout) timers_stop(&h->timers, &h->lookout->due);
}

void lookout_free(home *h)
{
    free(h->lookout);
    h->lookout = NULL;
}
