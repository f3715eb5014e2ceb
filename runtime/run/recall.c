#include "runtime/run/recall.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/run/board.h"
#include "runtime/run/home.h"
#include "runtime/run/notice.h"
#include "runtime/run/replay.h"
#include "runtime/run/slot_core.h"

/* False: no memory. */
static bool recall_add(run *r, const run_id *child)
{
    letter *m = letter_new_recall(r->task.home, child);
    if (!m) return false;
    m->next = r->recalls;
    r->recalls = m;
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
        if (rec->child.len != sizeof child.bytes) continue; /* of a damaged journal: nobody knows which run that is */
        memcpy(child.bytes, rec->child.data, sizeof child.bytes);
        ok = recall_add(r, &child);
    }
    for (const run_child *c = r->children; c && ok; c = c->next)
        if (!c->has_returned) ok = recall_add(r, &c->id);
    return ok;
}

const store_row *recall_seal(run *r, const store_row *then)
{
    for (letter *m = r->recalls; m; m = m->next) {
        m->row.next = notice_row(m->notice, then);
        then = &m->row;
    }
    return then;
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

void recall_written(run *r)
{
    if (!r->is_last_sent) return;
    for (letter *m; (m = r->recalls);) {
        r->recalls = m->next;
        m->next = NULL;
        if (!home_owns(r->task.home, &m->run)) {
            letter_free_all(&m); /* that node's lookout finds it */
            continue;
        }
        m->parcel = (parcel){.deliver = recall_on_delivery, .drop = recall_on_drop};
        board_hand(r->task.home, &m->parcel, &m->run);
    }
}

void recall_drop(run *r) { letter_free_all(&r->recalls); }
