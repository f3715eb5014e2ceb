#include "runtime/run/sending.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/base/digest.h"
#include "runtime/run/away.h"
#include "runtime/run/board.h"
#include "runtime/run/home.h"
#include "runtime/run/notice.h"
#include "runtime/run/program.h"
#include "runtime/run/run.h"
#include "runtime/run/slot_core.h"
#include "runtime/run/strand.h"

typedef enum sending_stage {
    SENDING_ASKS,    /* for the target's home */
    SENDING_TELLS,   /* for the sender's home: `answer` */
    SENDING_SETTLES, /* for the target's home: `outcome`, of the commit with the letter's row */
} sending_stage;

struct sending {
    sending *next; /* of its run's */
    parcel way;
    home *from; /* the sender's */
    home *at;   /* the target's, once it has been asked */
    sending_stage stage;
    sending_answer answer;
    store_outcome outcome;
    run_id sender, target;
    uint8_t id[ENTRY_LETTER_BYTES];
    char by[RUN_ID_TEXT + 1]; /* the sender */
    strand *waits;            /* of the sender's home alone: for the answer; NULL: it has gone */
    bool is_told;             /* likewise */
    mail_letter *lent;        /* of the target's home, in its mailbox; its row is the sender's until it settles */
    store_row row;            /* of the sender's home: the letter's */
    entry_text name, value;   /* in `content` */
    char content[];
};
_Static_assert((int)RUN_ID_TEXT <= (int)LETTER_BY_MAX, "a letter has room for who has sent it");

enum { LOOK_BYTES = 4096 };

/* ---- From home to home ---- */

static void sending_take(home *h, sending *s);

static bool sending_deliver(home *h, parcel *p)
{
    sending_take(h, (sending *)((char *)p - offsetof(sending, way)));
    return true;
}

static void sending_lost(parcel *p) { free((char *)p - offsetof(sending, way)); }

/* A program that proves itself has one home, and no board. For a run of another node the sender's home does what the
 * target's would. */
static void sending_post(home *by, sending *s, const run_id *to)
{
    if (by->app->board && home_owns(by, to))
        board_hand(by, &s->way, to);
    else
        sending_take(by, s);
}

/* ---- At the target's home ---- */

static void sending_tell(sending *s, sending_answer answer)
{
    s->answer = answer;
    s->stage = SENDING_TELLS;
    sending_post(s->at, s, &s->sender);
}

static void sending_on_looked(void *arg, const store_summary *runs, size_t count)
{
    sending *s = arg;
    assert(count == 1);
    (void)count;
    bool is_unsure = runs->error != NULL || runs->live; /* the run is about to be read */
    sending_tell(s, is_unsure ? SENDING_NOT_NOW : SENDING_GONE);
}

static void sending_lend(home *h, slot *of, sending *s)
{
    static const sending_answer answers[] = {
        [MAILBOX_SENT] = SENDING_ADMITTED,       [MAILBOX_HAD] = SENDING_HAD,
        [MAILBOX_TOO_MANY] = SENDING_TOO_MANY,   [MAILBOX_TOO_LARGE] = SENDING_TOO_LARGE,
        [MAILBOX_NO_MEMORY] = SENDING_NO_MEMORY, [MAILBOX_NOT_NOW] = SENDING_NOT_NOW};
    const mail_wish wish = {.id = s->id, .name = s->name, .value = s->value, .by = s->by};
    mailbox_answer answer = mailbox_lend(h, of, &wish, &s->lent);
    sending_tell(s, answers[answer]);
}

/* What the sender's home finds of a target that another node has. */
static void sending_on_away(void *arg, away_answer answer, mail_letter *m)
{
    static const sending_answer answers[] = {[AWAY_TAKES] = SENDING_ADMITTED,    [AWAY_HAD] = SENDING_HAD,
                                             [AWAY_TOO_MANY] = SENDING_TOO_MANY, [AWAY_TOO_LARGE] = SENDING_TOO_LARGE,
                                             [AWAY_MISSING] = SENDING_GONE,      [AWAY_ENDED] = SENDING_GONE,
                                             [AWAY_UNREAD] = SENDING_NOT_NOW,    [AWAY_NO_MEMORY] = SENDING_NO_MEMORY};
    sending *s = arg;
    s->lent = m;
    if (m) mail_make_put(m);
    sending_tell(s, answers[answer]);
}

static void sending_admit_away(home *h, sending *s)
{
    const mail_wish wish = {.id = s->id, .name = s->name, .value = s->value, .by = s->by};
    if (h->draining)
        sending_tell(s, SENDING_NOT_NOW);
    else if (!away_ask(h, &s->target, &wish, sending_on_away, s))
        sending_tell(s, SENDING_NO_MEMORY);
}

static void sending_admit(home *h, sending *s)
{
    s->at = h;
    if (!home_owns(h, &s->target)) {
        sending_admit_away(h, s);
        return;
    }
    slot *of = h->draining ? NULL : mailbox_slot(h, &s->target);
    if (of)
        sending_lend(h, of, s);
    else if (h->draining || !h->slots.recovered)
        sending_tell(s, SENDING_NOT_NOW);
    else if (!store_summarize(h->port, &s->target, 1, LOOK_BYTES, sending_on_looked, s))
        sending_tell(s, SENDING_NO_MEMORY);
}

/* ---- At the sender's home ---- */

static void sending_settle(sending *s, store_outcome outcome)
{
    s->outcome = outcome;
    s->stage = SENDING_SETTLES;
    sending_post(s->from, s, &s->target);
}

static void sending_told(sending *s)
{
    if (s->waits) {
        s->is_told = true;
        strand_wake(s->waits);
    } else if (s->answer == SENDING_ADMITTED) {
        sending_settle(s, STORE_REFUSED);
    } else {
        free(s);
    }
}

static void sending_take(home *h, sending *s)
{
    switch (s->stage) {
    case SENDING_ASKS:
        sending_admit(h, s);
        return;
    case SENDING_TELLS:
        sending_told(s);
        return;
    case SENDING_SETTLES:
        if (home_owns(h, &s->target))
            mailbox_settle(h, s->lent, s->outcome);
        else
            mail_discard(s->lent); /* that node's lookout finds it, if it is on disk */
        free(s);
        return;
    }
}

void sending_letter(const run_id *sender, uint64_t path, uint8_t id[ENTRY_LETTER_BYTES])
{
    uint8_t hash[DIGEST_BYTES];
    const http_text of[] = {
        {"sent", 4}, {(const char *)sender->bytes, RUN_ID_BYTES}, {(const char *)&path, sizeof path}};
    digest_texts(hash, of, 3, "a signal of one run to another");
    memcpy(id, hash, ENTRY_LETTER_BYTES);
}

static sending *sending_new(run *r, const sending_wish *wish)
{
    home *h = r->task.home;
    sending *s = calloc(1, sizeof *s + wish->name.len + wish->value.len);
    if (!s) return NULL;
    s->from = h;
    s->way = (parcel){.deliver = sending_deliver, .drop = sending_lost};
    s->sender = r->id;
    s->target = wish->target;
    sending_letter(&r->id, wish->path, s->id);
    memcpy(s->by, r->id_text, sizeof s->by);
    memcpy(s->content, wish->name.data, wish->name.len);
    memcpy(s->content + wish->name.len, wish->value.data, wish->value.len);
    s->name = (entry_text){s->content, wish->name.len};
    s->value = (entry_text){s->content + wish->name.len, wish->value.len};
    return s;
}

sending *sending_ask(strand *by, const sending_wish *wish, sending_answer *answer, bool *is_interrupted)
{
    sending *s = sending_new(by->run, wish);
    bool awake = true;
    *is_interrupted = false;
    if (!s) return NULL;
    s->waits = by;
    s->stage = SENDING_ASKS;
    sending_post(s->from, s, &s->target);
    while (awake && !s->is_told) awake = strand_suspend(by);
    s->waits = NULL;
    if (awake) {
        *answer = s->answer;
        return s;
    }
    *is_interrupted = true;
    if (s->is_told) sending_told(s); /* both came in one turn */
    return NULL;
}

void sending_drop(sending *s)
{
    assert(s->is_told && s->answer != SENDING_ADMITTED);
    free(s);
}

void sending_take_back(sending *s) { sending_settle(s, STORE_REFUSED); }

void sending_append(run *r, sending *s)
{
    assert(s->is_told && s->answer == SENDING_ADMITTED);
    sending **last = &r->sendings;
    while (*last) last = &(*last)->next;
    s->next = NULL;
    *last = s;
}

/* ---- With the sender's commits ---- */

const store_row *sending_seal(run *r, const store_row *then)
{
    assert(!r->sendings_sealed);
    r->sendings_sealed = r->sendings;
    r->sendings = NULL;
    for (sending *s = r->sendings_sealed; s; s = s->next) {
        s->row = s->lent->row;
        s->row.next = notice_row(s->lent->notice, then);
        if (!BUG(SEND_ALONE)) then = &s->row;
    }
    return then;
}

static void sendings_settle(sending **list, store_outcome outcome)
{
    for (sending *s; (s = *list) != NULL;) {
        *list = s->next;
        sending_settle(s, outcome);
    }
}

void sending_unseal(run *r, store_outcome outcome) { sendings_settle(&r->sendings_sealed, outcome); }

void sending_leave(run *r)
{
    assert(!r->sendings_sealed);
    sendings_settle(&r->sendings, STORE_REFUSED);
}
