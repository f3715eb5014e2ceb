/* mailbox_parked: the mailboxes of runs that are not in memory: what wakes them, what arrives for them from runs that
 * they have called, and what the start finds. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/run/home.h"
#include "runtime/run/mailbox_core.h"
#include "runtime/run/run.h"
#include "runtime/run/slot_core.h"

/* ---- What has become of calls ---- */

/* Whether one more return wakes the run, which is not in memory. */
static bool slot_awaits_return(mailbox *b, const slot *s)
{
    if (s->state != SLOT_PARKED) return false;
    if (b->wants == 0) return s->names[0] == SLOT_NAMES_ANY;
    return --b->wants == 0;
}

/* Gives the letter, which is noted, to its run, or wakes that. */
static void mailbox_give_return(home *h, mailbox *b, slot *s, mail_letter *m)
{
    bool is_in_memory = s && s->run;
    if (is_in_memory)
        mailbox_hold_return(b, m);
    else
        mail_free(m);
    if (is_in_memory) run_note_return(s->run);
    bool wakes = s && !is_in_memory && slot_awaits_return(b, s);
    if (wakes && !h->draining) slot_wake(h, s);
    mailbox_tidy(h, b);
}

/* A signal that is known has been read, by the start or by the run. One that a read has brought which is still under
 * way is in memory, and not known yet: if that read fails, nobody else would know of it. */
static void mailbox_take_signal(home *h, mailbox *b, slot *s, mail_letter *m)
{
    assert(s);
    if (mailbox_has_arrival(b, mail_arrival(m))) {
        mail_free(m);
        mailbox_tidy(h, b);
        return;
    }
    mailbox_add_arrival(b, mail_arrival(m));
    b->bytes += m->row_bytes;
    if (mail_list_has(b->held, m->key))
        mail_free(m);
    else
        mailbox_deliver(h, b, s, m);
}

/* Whether the letter has the result of a call that the run did not wait for any more when it went on after its end. */
static bool mail_is_old(const mailbox *b, const slot *s, const mail_letter *m)
{
    const uint32_t generation = letter_generation_of(mail_arrival(m));
    if (!mail_is_return(m)) return false;
    return (b && generation < b->generation) || (s && s->run && generation < s->run->generation);
}

/* False: no memory. */
static bool mailbox_add_return(home *h, mailbox *b, uint64_t arrival)
{
    return mailbox_raise(h, b, letter_generation_of(arrival)) && mailbox_note_return(b, arrival);
}

bool mailbox_arrive(home *h, mail_letter *m)
{
    slot *s = slot_find(&h->slots, &m->run);
    run *r = s ? NULL : run_find_slotless(h, &m->run);
    mailbox *b = mailbox_of(h, &m->run);
    m->home = h;
    if (r) run_give_slot(r);
    if (r && !r->slot) return false;
    if (r) s = r->slot;
    bool is_over = (b && b->is_over) || (!s && h->slots.all_found);
    if (is_over || mail_is_old(b, s, m)) {
        mail_delete(m);
        return true;
    }
    b = mailbox_make(h, &m->run); /* while the runs are still being found, it may be of one that comes */
    if (!b) return false;
    bool is_return = mail_is_return(m); /* it may be known: read by the start */
    bool has_room = is_return ? mailbox_add_return(h, b, mail_arrival(m)) : mailbox_reserve(b, b->count + 1);
    if (!has_room) {
        mailbox_tidy(h, b);
        return false;
    }
    if (is_return)
        mailbox_give_return(h, b, s, m);
    else
        mailbox_take_signal(h, b, s, m);
    return true;
}

/* ---- Of runs outside memory ---- */

/* FNV-1a, 32 bits. */
static uint32_t hash_bytes(uint32_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++) hash = (hash ^ bytes[i]) * 0x01000193u;
    return hash;
}

uint32_t mailbox_name(entry_text name, uint64_t question)
{
    uint32_t hash = hash_bytes(0x811c9dc5u, name.data, name.len);
    if (question) hash = hash_bytes(hash, &question, sizeof question);
    return hash < SLOT_NAMES ? hash + SLOT_NAMES : hash;
}

static bool mailbox_set_names(home *h, const run_id *id, const uint32_t *names, size_t count)
{
    mailbox *b = mailbox_make(h, id);
    uint32_t *copy = b ? malloc(count * sizeof *names) : NULL;
    if (b && !copy) mailbox_tidy(h, b);
    if (!copy) return false;
    memcpy(copy, names, count * sizeof *names);
    free(b->names);
    b->names = copy;
    b->name_count = count;
    return true;
}

/* Has the slot know that so many more returns wake its run. Without memory each letter does. */
static void mailbox_want(home *h, slot *s, const mailbox_awaited *w)
{
    const uint32_t returns = w->returns;
    mailbox *b = returns > 0 ? mailbox_make(h, &s->id) : mailbox_of(h, &s->id);
    if (b) (void)mailbox_raise(h, b, w->generation); /* without memory the next load does that */
    if (b) b->wants = returns;
    if (b && returns == 0) mailbox_tidy(h, b);
    if (!b && returns > 0) s->names[0] = SLOT_NAMES_ANY;
}

static void mailbox_want_names(home *h, slot *s, const uint32_t *names, size_t count)
{
    enum { IN_SLOT = sizeof s->names / sizeof s->names[0] };
    mailbox *b = mailbox_of(h, &s->id);
    assert(s->state == SLOT_PARKED);
    if (b && b->names) {
        free(b->names);
        b->names = NULL;
        mailbox_tidy(h, b);
    }
    memset(s->names, 0, sizeof s->names);
    if (count == 0) return;
    if (count <= IN_SLOT)
        memcpy(s->names, names, count * sizeof *names);
    else
        s->names[0] = mailbox_set_names(h, &s->id, names, count) ? SLOT_NAMES_MANY : SLOT_NAMES_ANY;
}

void mailbox_listen(home *h, slot *s, const mailbox_awaited *w)
{
    mailbox_want_names(h, s, w->names, w->name_count);
    mailbox_want(h, s, w);
}

bool mailbox_go_on(home *h, const run_id *id, uint32_t generation)
{
    mailbox *b = mailbox_of(h, id);
    bool ok = !b || mailbox_raise(h, b, generation);
    if (b) mailbox_tidy(h, b);
    return ok;
}

size_t mailbox_count(const home *h, const run_id *id)
{
    const mailbox *b = mailbox_of(h, id);
    return b ? mailbox_signals(b) : 0;
}

bool mailbox_has_any(const home *h, const run_id *id)
{
    const mailbox *b = mailbox_of(h, id);
    return b && (b->count > b->taken || b->returns.count > 0);
}

/* ---- Recovery ---- */

/* It is read when the run wants it. */
static bool mailbox_recover_return(home *h, const store_table_row *row)
{
    run_id to;
    uint64_t arrival = letter_arrival_of(row->key.data);
    memcpy(to.bytes, row->key.data, sizeof to.bytes);
    bool is_ours = home_owns(h, &to) && run_id_loop(&to, h->count) == h->index;
    if (!is_ours) return true;
    mailbox *b = mailbox_make(h, &to);
    if (!b) return false;
    if (letter_generation_of(arrival) < b->generation) return true; /* one that arrived since is of a later one */
    if (mailbox_add_return(h, b, arrival)) return true;
    mailbox_tidy(h, b);
    return false;
}

bool mailbox_recover(home *h, const store_table_row *row)
{
    bool is_short = false;
    if (row->key.len == LETTER_KEY_BYTES && letter_is_of_call(letter_arrival_of(row->key.data)))
        return mailbox_recover_return(h, row);
    mail_letter *m = mail_read(h, row, &is_short);
    if (!m) return !is_short; /* it is damaged: nobody can take it */
    const bool is_ours = home_owns(h, &m->run) && run_id_loop(&m->run, h->count) == h->index;
    mailbox *b = is_ours ? mailbox_make(h, &m->run) : NULL;
    bool has_room = b && mailbox_reserve(b, b->count + 1);
    /* A run that has begun in this process may have got it: then it is known already, or its commit brings it. */
    if (has_room && !mailbox_has_arrival(b, mail_arrival(m)) && !mail_list_has(b->writing, m->key)) {
        mailbox_add_arrival(b, mail_arrival(m));
        b->bytes += m->row_bytes;
    }
    mail_free(m);
    return has_room || !is_ours;
}

void mailbox_drop_strays(home *h)
{
    mailbox_table *t = &h->mailboxes;
    for (size_t i = 0; i < t->bucket_count; i++)
        for (mailbox *b = t->buckets[i], *next; b; b = next) {
            next = b->next;
            bool is_known = slot_find(&h->slots, &b->run) || run_find_slotless(h, &b->run);
            if (!is_known) (void)mailbox_end(h, &b->run);
        }
}
