#include "runtime/run/recall.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/run/board.h"
#include "runtime/run/calling.h"
#include "runtime/run/home.h"
#include "runtime/run/notice.h"
#include "runtime/run/replay.h"
#include "runtime/run/slot_core.h"

/* False: no memory. */
static bool recall_add(run *r, letter **list, const run_id *child)
{
    bool is_loser = list == &r->recalls_of_losers;
    letter *m = letter_new_recall(r->task.home, child, r->generation, is_loser);
    if (!m) return false;
    m->next = *list;
    *list = m;
    return true;
}

bool recall_prepare(run *r)
{
    const replay_record *rec;
    size_t at = 0;
    bool ok = true;
    assert(!r->recalls);
    if (BUG(RECALL_NONE)) return true;
    while (ok && r->replay && (rec = replay_next_open_call(r->replay, &at)) != NULL) {
        run_id child;
        if (calling_is_own(&r->id, rec, &child)) ok = recall_add(r, &r->recalls, &child);
    }
    for (const run_child *c = r->children; c && ok; c = c->next)
        if (!c->has_returned && !c->is_recalled) ok = recall_add(r, &r->recalls, &c->id);
    return ok;
}

const store_row *recall_rows(letter *list, const store_row *then)
{
    for (letter *m = list; m; m = m->next) {
        m->row.next = notice_row(m->notice, then);
        then = &m->row;
    }
    return then;
}

const store_row *recall_seal(run *r, const store_row *then) { return recall_rows(r->recalls, then); }

bool recall_loser(run *r, const run_id *child) { return recall_add(r, &r->recalls_of_losers, child); }

const store_row *recall_seal_losers(run *r, const store_row *then)
{
    assert(!r->recalls_sealed);
    r->recalls_sealed = r->recalls_of_losers;
    r->recalls_of_losers = NULL;
    return recall_rows(r->recalls_sealed, then);
}

static letter *recall_of(parcel *p) { return (letter *)((char *)p - offsetof(letter, parcel)); }

/* The child's home may not know the child: because it has ended, or is still to be found by the start. Loading it shows
 * which. */
static bool recall_on_delivery(home *h, parcel *p)
{
    letter *m = recall_of(p);
    if (!slot_find_or_add(h, &m->run)) return false;
    m->home = h;
    slot_take_letter(h, m, NULL);
    return true;
}

static void recall_on_drop(parcel *p)
{
    letter *m = recall_of(p);
    letter_free_all(&m);
}

void recall_hand_out(home *h, letter **list)
{
    for (letter *m; (m = *list);) {
        *list = m->next;
        m->next = NULL;
        if (!home_owns(h, &m->run)) {
            letter_free_all(&m); /* that node's lookout finds it */
            continue;
        }
        m->parcel = (parcel){.deliver = recall_on_delivery, .drop = recall_on_drop};
        board_hand(h, &m->parcel, &m->run);
    }
}

void recall_unseal_losers(run *r, bool is_on_disk)
{
    if (is_on_disk)
        recall_hand_out(r->task.home, &r->recalls_sealed);
    else
        letter_free_all(&r->recalls_sealed);
}

void recall_written(run *r)
{
    if (r->is_last_sent) recall_hand_out(r->task.home, &r->recalls);
}

void recall_drop(run *r)
{
    assert(!r->recalls_sealed);
    letter_free_all(&r->recalls_of_losers);
    letter_free_all(&r->recalls);
}
