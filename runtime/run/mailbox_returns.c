/* mailbox_returns: what the runs that a run has called have come to. Which letters are on disk is known by the numbers
 * of the calls; in memory are few of them, RETURNS_HELD_BYTES, however large the results are and however many have
 * come: others are read when the run wants them, some at once, since it mostly wants them in their order. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/run/home.h"
#include "runtime/run/mailbox_core.h"
#include "runtime/run/run.h"
#include "runtime/run/slot_core.h"

enum { HELD_BUCKETS = 256, READ_ROWS = 1024 };

static uint32_t return_number(const mail_letter *m) { return letter_call_of(mail_arrival(m)); }

static size_t return_bytes(const mail_letter *m) { return sizeof *m + m->value.len; }

/* ---- In memory ---- */

static mail_letter **return_place(const mailbox *b, uint32_t number)
{
    mail_letter **at = &b->held_returns[number % HELD_BUCKETS];
    while (*at && return_number(*at) != number) at = &(*at)->next;
    return at;
}

static mail_letter *mailbox_held_return(const mailbox *b, uint32_t number)
{
    return b->held_returns ? *return_place(b, number) : NULL;
}

/* Takes the return of a call out of memory, if it is there. */
static void mailbox_free_return(mailbox *b, uint32_t number)
{
    mail_letter **at = b->held_returns ? return_place(b, number) : NULL, *m = at ? *at : NULL;
    if (!m) return;
    *at = m->next;
    b->held_bytes -= return_bytes(m);
    mail_free(m);
}

static void mailbox_put_return(mailbox *b, mail_letter *m)
{
    assert(number_set_has(&b->returns, return_number(m)));
    if (!b->held_returns) b->held_returns = calloc(HELD_BUCKETS, sizeof(mail_letter *));
    if (!b->held_returns) {
        mail_free(m);
        return;
    }
    mailbox_free_return(b, return_number(m));
    m->next = NULL;
    *return_place(b, return_number(m)) = m;
    b->held_bytes += return_bytes(m);
}

void mailbox_hold_return(mailbox *b, mail_letter *m)
{
    mailbox_free_return(b, return_number(m)); /* the run that was called has gone on since, and ended anew */
    if (b->held_bytes + return_bytes(m) <= RETURNS_HELD_BYTES)
        mailbox_put_return(b, m);
    else
        mail_free(m);
}

void mailbox_free_returns(mailbox *b)
{
    for (size_t i = 0; b->held_returns && i < HELD_BUCKETS; i++)
        for (mail_letter *m; (m = b->held_returns[i]) != NULL;) {
            b->held_returns[i] = m->next;
            mail_free(m);
        }
    free(b->held_returns);
    b->held_returns = NULL;
    b->held_bytes = 0;
}

/* ---- On disk ---- */

bool mailbox_note_return(mailbox *b, uint64_t arrival)
{
    assert(letter_is_of_call(arrival) && letter_generation_of(arrival) == b->generation);
    if (!number_set_reserve(&b->returns, letter_call_of(arrival))) return false;
    if (b->reads_returns && number_set_has(&b->returns, letter_call_of(arrival))) b->reads_old = true;
    number_set_add(&b->returns, letter_call_of(arrival));
    return true;
}

bool mailbox_raise(home *h, mailbox *b, uint32_t generation)
{
    uint8_t key[LETTER_KEY_BYTES];
    uint32_t call = 0;
    while (generation > b->generation && number_set_next(&b->returns, &call)) {
        letter_write_key(&b->run, letter_of_call(b->generation, call), key);
        mail_letter *m = mail_new_missing(h, key);
        if (!m) return false;
        mailbox_free_return(b, call);
        number_set_remove(&b->returns, call);
        mail_delete(m);
    }
    if (generation > b->generation) b->generation = generation;
    return true;
}

/* ---- Reading ---- */

typedef struct return_reading {
    home *home;
    run_id run;
    uint32_t generation; /* of the run */
    uint32_t from;       /* the number of the call that is wanted */
    uint64_t execution;
} return_reading;

/* A row that is not known of is left: its sender's commit has not come back, or the run has taken it. The one that is
 * wanted is held, however large it is. False: no memory. */
static bool reading_take_row(const return_reading *q, mailbox *b, const store_table_row *row)
{
    if (row->key.len != LETTER_KEY_BYTES) return true;
    const uint64_t arrival = letter_arrival_of(row->key.data);
    const uint32_t number = letter_call_of(arrival);
    if (letter_generation_of(arrival) != b->generation || !number_set_has(&b->returns, number)) return true;
    mail_letter *m = mail_read_return(q->home, row);
    if (!m) return false;
    if (number != q->from) {
        mailbox_hold_return(b, m);
        return true;
    }
    mailbox_put_return(b, m);
    return mailbox_held_return(b, number) != NULL;
}

/* The row of the wanted return is gone, though nobody but the run deletes it: the run is to learn that. False: no
 * memory. */
static bool reading_take_missing(const return_reading *q, mailbox *b)
{
    uint8_t key[LETTER_KEY_BYTES];
    letter_write_key(&q->run, letter_of_call(q->generation, q->from), key);
    mail_letter *m = mail_new_missing(q->home, key);
    if (m) mailbox_put_return(b, m);
    return mailbox_held_return(b, q->from) != NULL;
}

static void returns_on_rows(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    return_reading *q = arg;
    home *h = q->home;
    mailbox *b = mailbox_of(h, &q->run);
    const slot *s = slot_find(&h->slots, &q->run);
    run *r = s ? s->run : NULL;
    (void)end;
    assert(b && b->reads_returns);
    bool has_handler = r && run_state_has_handler(r->state); /* whoever is about to end needs nothing any more */
    bool is_of_now = b->execution == q->execution && !b->is_over && !b->reads_old; /* else it is read again */
    bool is_wanted = has_handler && is_of_now, is_read = !error;
    for (size_t i = 0; i < count && is_read && is_wanted; i++) is_read = reading_take_row(q, b, &rows[i]);
    bool is_open = number_set_has(&b->returns, q->from); /* it may have come, and been taken, meanwhile */
    if (is_read && is_wanted && is_open && !mailbox_held_return(b, q->from)) is_read = reading_take_missing(q, b);
    if (is_wanted && !is_read) run_lose_for_memory(r); /* or the read has failed: both pass, and it is loaded again */
    b->reads_returns = b->reads_old = false;
    if (r) run_wake_waits(r);
    mailbox_tidy(h, b);
    free(q);
}

/* False: no memory. */
static bool mailbox_read_returns(home *h, mailbox *b, uint32_t from)
{
    uint8_t first[LETTER_KEY_BYTES], last[LETTER_KEY_BYTES];
    return_reading *q = malloc(sizeof *q);
    if (!q) return false;
    *q = (return_reading){
        .home = h, .run = b->run, .generation = b->generation, .from = from, .execution = b->execution};
    letter_write_key(&b->run, letter_of_call(b->generation, from), first);
    letter_write_key(&b->run, letter_of_call(b->generation + 1, 0), last);
    const store_range range = {.table = letter_table,
                               .from = {first, sizeof first},
                               .to = {last, sizeof last},
                               .rows_max = READ_ROWS,
                               .bytes_max = RETURNS_HELD_BYTES};
    if (b->held_bytes > RETURNS_HELD_BYTES / 2) mailbox_free_returns(b); /* what is wanted now comes first */
    b->reads_returns = store_scan(h->port, &range, returns_on_rows, q);
    if (!b->reads_returns) free(q);
    return b->reads_returns;
}

/* ---- Of a run in memory ---- */

mailbox_look mailbox_find_return(run *r, uint32_t number, entry_text child, mail_letter **found)
{
    home *h = r->task.home;
    mailbox *b = mailbox_of(h, &r->id);
    *found = NULL;
    if (!b || b->is_over) return MAILBOX_EMPTY;
    mail_letter *m = mailbox_held_return(b, number);
    bool is_it = m && child.len == sizeof m->id && (m->value.len == 0 || memcmp(m->id, child.data, child.len) == 0);
    if (is_it) *found = m;
    if (m) return is_it ? MAILBOX_HAS : MAILBOX_EMPTY;
    if (!number_set_has(&b->returns, number)) {
        mailbox_tidy(h, b);
        return MAILBOX_EMPTY;
    }
    if (b->reads_returns || mailbox_read_returns(h, b, number)) return MAILBOX_COMING;
    run_lose_for_memory(r);
    return MAILBOX_LOST;
}

mail_letter *mailbox_let_return_go(mailbox *b, mail_letter *m)
{
    mail_letter **at = return_place(b, return_number(m));
    assert(*at == m && b->held_bytes >= return_bytes(m));
    *at = m->next;
    m->next = NULL;
    b->held_bytes -= return_bytes(m);
    number_set_remove(&b->returns, return_number(m));
    b->returns_taken++;
    return mail_strip(m);
}

void mailbox_settle_return(mailbox *b, const mail_letter *m, bool is_deleted)
{
    assert(b->returns_taken > 0);
    b->returns_taken--;
    if (!is_deleted) number_set_add(&b->returns, return_number(m)); /* its page is there */
}

mail_letter *mailbox_any_return(const mailbox *b)
{
    for (size_t i = 0; b->held_returns && i < HELD_BUCKETS; i++)
        if (b->held_returns[i]) return b->held_returns[i];
    return NULL;
}
