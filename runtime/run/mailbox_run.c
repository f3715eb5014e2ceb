/* mailbox_run: the mailbox of a run that is in memory: reading its signals, and taking letters. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/run/home.h"
#include "runtime/run/lookout.h"
#include "runtime/run/mailbox_core.h"
#include "runtime/run/question.h"
#include "runtime/run/run.h"
#include "runtime/run/slot_core.h"
#include "runtime/run/strand.h"
#include "storage/row_cursor.h"

enum { READ_ROWS = 1024, READ_BYTES = 4 * 1024 * 1024 };

/* Whether letters are on disk that are not in memory. */
static bool mailbox_is_unread(const mailbox *b) { return b->held_count + b->taken < b->count; }

/* ---- Signals that the run has had ---- */

bool run_has_had(const run *r, const uint8_t *id)
{
    for (uint32_t i = 0; i < r->had_count; i++)
        if (memcmp(r->had[i], id, ENTRY_LETTER_BYTES) == 0) return true;
    return false;
}

bool mailbox_note_had(run *r, entry_text id)
{
    if (id.len != ENTRY_LETTER_BYTES) return true; /* of a damaged journal: no letter has such an id */
    if (r->had_count == r->had_room) {
        uint32_t room = r->had_room ? r->had_room * 2 : 8;
        void *bigger = arena_alloc(&r->journal, (size_t)room * sizeof *r->had);
        if (!bigger) return false;
        if (r->had_count > 0) memcpy(bigger, r->had, r->had_count * sizeof *r->had);
        r->had = bigger;
        r->had_room = room;
    }
    memcpy(r->had[r->had_count++], id.data, ENTRY_LETTER_BYTES);
    return true;
}

void run_wake_waits(const run *r)
{
    for (strand *s = r->task.strands; s; s = s->next)
        if (s->work.signal || s->standing || s->work.awaits_calls > 0) strand_wake(s);
}

void run_note_return(run *r)
{
    r->returns++;
    for (strand *s = r->task.strands; s; s = s->next)
        if (s->work.awaits_calls && s->work.returns_due <= r->returns) strand_wake(s);
}

/* ---- Reading ---- */

typedef struct mail_reading {
    home *home;
    run_id run;
    row_cursor at; /* in the inbox, up to `to` */
    uint8_t to[LETTER_KEY_BYTES];
} mail_reading;

/* Whether the letter of this row is known. One whose commit has not come back may be read all the same, since the read
 * does not wait for that: its commit brings it. */
static bool mailbox_knows(const mailbox *b, const void *key)
{
    return mail_list_has(b->held, key) || mail_list_has(b->writing, key);
}

/* False: no memory. */
static bool mailbox_take_row(home *h, mailbox *b, const store_table_row *row)
{
    bool is_short = false;
    if (!mail_is(row->value) || row->key.len != LETTER_KEY_BYTES || mailbox_knows(b, row->key.data)) return true;
    mail_letter *m = mail_read(h, row, &is_short);
    if (m) mailbox_hold(b, m);
    return !is_short;
}

/* All that are on disk are held now: others that were thought to be there have been deleted. False: no memory. */
static bool mailbox_set_read(mailbox *b)
{
    size_t n = 0;
    assert(b->taken == 0);
    if (!mailbox_reserve(b, b->held_count)) return false;
    b->bytes = 0;
    for (const mail_letter *m = b->held; m; m = m->next) {
        b->arrivals[n++] = mail_arrival(m);
        b->bytes += m->row_bytes;
    }
    b->count = n;
    for (const mail_letter *m = b->writing; m; m = m->next) b->bytes += m->row_bytes;
    return true;
}

static bool mailbox_ask(mail_reading *q);

static void reading_end(mail_reading *q, mailbox *b)
{
    const slot *s = slot_find(&q->home->slots, &q->run);
    b->is_reading = b->is_stale = false;
    if (s && s->run) run_wake_waits(s->run);
    mailbox_tidy(q->home, b);
    free(q);
}

static void reading_on_rows(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    mail_reading *q = arg;
    home *h = q->home;
    mailbox *b = mailbox_of(h, &q->run);
    const slot *s = slot_find(&h->slots, &q->run);
    run *r = s ? s->run : NULL;
    assert(b && b->is_reading);
    bool has_handler = r && run_state_has_handler(r->state); /* whoever is about to end needs nothing any more */
    bool is_wanted = has_handler && !b->is_stale, is_read = !error;
    for (size_t i = 0; i < count && is_read && is_wanted; i++) is_read = mailbox_take_row(h, b, &rows[i]);
    if (is_read && is_wanted && !end) {
        assert(count > 0);
        row_cursor_pass(&q->at, rows[count - 1].key);
        if (mailbox_ask(q)) return;
        is_read = false;
    }
    is_read = is_read && (!is_wanted || mailbox_set_read(b));
    if (is_wanted && !is_read) run_lose_for_memory(r); /* or the read has failed: both pass, and it is loaded again */
    reading_end(q, b);
}

static bool mailbox_ask(mail_reading *q)
{
    const store_range range = {.table = letter_table,
                               .from = row_cursor_from(&q->at),
                               .to = {q->to, sizeof q->to},
                               .rows_max = READ_ROWS,
                               .bytes_max = READ_BYTES};
    return store_scan(q->home->port, &range, reading_on_rows, q);
}

/* False: no memory. */
static bool mailbox_begin_reading(run *r, mailbox *b)
{
    home *h = r->task.home;
    uint8_t from[LETTER_KEY_BYTES];
    mail_reading *q = malloc(sizeof *q);
    if (!q) return false;
    q->home = h;
    q->run = b->run;
    letter_write_key(&b->run, 0, from);
    row_cursor_set(&q->at, (store_bytes){from, sizeof from});
    letter_write_key(&b->run, letter_of_call(0, 0), q->to);
    r->inbox_read_ms = clock_steady_ms();
    b->is_reading = mailbox_ask(q);
    if (!b->is_reading) free(q);
    return b->is_reading;
}

/* ---- Of a run in memory ---- */

static bool mail_fits(const run *r, const mail_letter *m, const mailbox_wanted *wanted)
{
    return entry_text_equal(m->name, wanted->name) && question_takes(r, wanted->question, m->id);
}

/* The first such letter that the run has not had; those that it has had are deleted. */
static mail_letter *mailbox_first(const run *r, mailbox *b, const mailbox_wanted *wanted)
{
    for (mail_letter *m = b->held, *next; m; m = next) {
        next = m->next;
        if (!mail_fits(r, m, wanted)) continue;
        if (!run_has_had(r, m->id) || BUG(TAKE_AGAIN)) return m;
        mailbox_forget(b, m);
        lookout_note_gone(r->task.home, &r->id);
        mail_delete(mailbox_let_go(b, m));
    }
    return NULL;
}

/* Has all signals of the run in memory. MAILBOX_HAS: they are, in *b. */
static mailbox_look mailbox_open(run *r, mailbox **out)
{
    home *h = r->task.home;
    mailbox *b = mailbox_of(h, &r->id);
    *out = b;
    if (!b || b->is_over) return MAILBOX_EMPTY;
    if (b->kept_bytes > 0) { /* a replay is still under way, and comes to questions that a wait may belong to */
        r->mail_is_kept = true;
        run_touch(r);
        return MAILBOX_COMING;
    }
    bool is_unread = mailbox_is_unread(b);
    if (is_unread && b->taken > 0) return MAILBOX_COMING; /* until their rows are gone: a read would bring them back */
    if (!b->is_reading && is_unread && !mailbox_begin_reading(r, b)) {
        run_lose_for_memory(r);
        return MAILBOX_LOST;
    }
    return b->is_reading ? MAILBOX_COMING : MAILBOX_HAS;
}

void mailbox_give_kept(run *r)
{
    mailbox *b = mailbox_of(r->task.home, &r->id);
    r->mail_is_kept = false;
    if (b) mailbox_end_keeping(r->task.home, b);
    run_wake_waits(r);
}

mailbox_look mailbox_find(run *r, const mailbox_wanted *wanted, mail_letter **first)
{
    mailbox *b = NULL;
    mailbox_look look = mailbox_open(r, &b);
    *first = NULL;
    if (look != MAILBOX_HAS) return look;
    *first = mailbox_first(r, b, wanted);
    if (*first) return MAILBOX_HAS;
    for (const mail_letter *m = b->writing; m; m = m->next)
        if (mail_fits(r, m, wanted)) return MAILBOX_COMING;
    mailbox_tidy(r->task.home, b);
    return MAILBOX_EMPTY;
}

mailbox_look mailbox_look_anew(run *r, int64_t left_ms)
{
    home *h = r->task.home;
    mailbox *b = mailbox_of(h, &r->id);
    assert(left_ms <= 0);
    if (!h->cluster->has_others || (b && b->is_over)) return MAILBOX_EMPTY;
    if (b && (b->is_reading || b->taken > 0)) return MAILBOX_COMING; /* as of mailbox_open */
    if (r->inbox_read_ms > 0 && r->inbox_read_ms >= clock_steady_ms() + left_ms) return MAILBOX_EMPTY;
    b = mailbox_make(h, &r->id);
    if (b && mailbox_begin_reading(r, b)) return MAILBOX_COMING;
    if (b) mailbox_tidy(h, b);
    run_lose_for_memory(r);
    return MAILBOX_LOST;
}

void mailbox_take(run *r, mail_letter *m)
{
    mailbox *b = mailbox_of(r->task.home, &r->id);
    assert(b && (mail_is_return(m) || !b->is_reading));
    if (mail_is_return(m)) {
        m = mailbox_let_return_go(b, m);
    } else {
        (void)mailbox_let_go(b, m);
        b->taken++;
    }
    m->next = r->mail_taken;
    r->mail_taken = m;
}

void mailbox_give_up(run *r)
{
    mailbox *b = mailbox_of(r->task.home, &r->id);
    if (b) mailbox_end_keeping(r->task.home, b);
    if (!b || b->is_over) return;
    while (b->held && !b->is_reading) mailbox_take(r, b->held);
    for (mail_letter *m; (m = mailbox_any_return(b)) != NULL;) mailbox_take(r, m);
}

const store_row *mailbox_seal(run *r, const store_row *then)
{
    assert(!r->mail_sealed);
    r->mail_sealed = r->mail_taken;
    r->mail_taken = NULL;
    for (mail_letter *m = r->mail_sealed; m; m = m->next) then = mail_deletion(m, then);
    return then;
}

/* The letter that the run has taken is deleted, or stays on disk. */
static void mailbox_settle_taken(mailbox *b, mail_letter *m, bool is_deleted)
{
    if (mail_is_return(m)) {
        mailbox_settle_return(b, m, is_deleted);
    } else {
        b->taken--;
        if (is_deleted) mailbox_forget(b, m);
    }
    mail_free(m);
}

void mailbox_unseal(run *r, bool is_on_disk)
{
    home *h = r->task.home;
    mailbox *b = r->mail_sealed ? mailbox_of(h, &r->id) : NULL;
    if (!b) return;
    if (is_on_disk) lookout_note_gone(h, &r->id);
    for (mail_letter *m; (m = r->mail_sealed) != NULL;) {
        r->mail_sealed = m->next;
        mailbox_settle_taken(b, m, is_on_disk);
    }
    if (mailbox_is_unread(b) || h->cluster->has_others) run_wake_waits(r); /* they may be read now */
    mailbox_tidy(h, b);
}

static bool names_have(const uint32_t *names, size_t count, uint32_t name)
{
    for (size_t i = 0; i < count; i++)
        if (names[i] == name) return true;
    return false;
}

bool mailbox_has_come(const run *r)
{
    const mailbox *b = mailbox_of(r->task.home, &r->id);
    if (r->park_returns_due > 0 && r->park_returns_due <= r->returns) return true;
    for (const mail_letter *m = b ? b->held : NULL; m; m = m->next) {
        uint32_t name = mailbox_name(m->name, question_of_letter(r, m->id));
        if (names_have(r->park_names, r->park_name_count, name)) return true;
    }
    return false;
}

void mailbox_leave(run *r)
{
    mailbox *b = mailbox_of(r->task.home, &r->id);
    assert(!r->mail_sealed && (b || !r->mail_taken));
    for (mail_letter *m; (m = r->mail_taken) != NULL;) { /* the run is lost: their rows stay */
        r->mail_taken = m->next;
        mailbox_settle_taken(b, m, false);
    }
    if (!b) return;
    mailbox_free_held(r->task.home, b);
    mailbox_free_returns(b);
    b->is_stale = b->is_reading;
    b->execution++;
    mailbox_tidy(r->task.home, b);
}
