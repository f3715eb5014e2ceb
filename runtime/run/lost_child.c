#include "runtime/run/lost_child.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/run/home.h"
#include "runtime/run/returning.h"
#include "runtime/run/slot_core.h"
#include "storage/entry.h"
#include "storage/kin.h"

typedef struct lost_child {
    home *home;
    run_id id, caller;
} lost_child;

/* `is_told`: nobody waits for the run any more. */
static void lost_child_end(lost_child *q, bool is_told)
{
    home *h = q->home;
    slot *s = slot_find(&h->slots, &q->id);
    free(q);
    if (!is_told || !s) return;
    s->caller_told = true;
    if (s->state == SLOT_STOPPED && !h->draining) slot_wake(h, s);
}

/* ---- The letter ---- */

static void lost_child_on_fate(void *arg, mail_fate fate) { lost_child_end(arg, fate == MAIL_KEPT); }

static void lost_child_write(lost_child *q, uint32_t number)
{
    mail_letter *m = returning_new_failure(q->home, &q->caller, number, &q->id,
                                           "its run could not be read, and was deleted (--retain-stopped)");
    if (!m) {
        lost_child_end(q, false);
        return;
    }
    m->on_fate = lost_child_on_fate;
    m->arg = q;
    mail_put(m);
}

/* ---- Its caller ---- */

/* Returns the number of the entry by which the run was called and that waits for its result; 0: there is none. */
static uint32_t lost_child_find_call(const lost_child *q, const store_journal *j)
{
    const char *error = NULL;
    uint32_t number = 0, count = 0;
    for (size_t at = 0, n; at < j->len; at += n) {
        entry e;
        n = entry_decode(j->data + at, j->len - at, &e, &error);
        if (n == 0) return number;
        count++;
        if ((e.kind != ENTRY_CALLED && e.kind != ENTRY_RETURNED) || e.child.len != RUN_ID_BYTES) continue;
        if (memcmp(e.child.data, q->id.bytes, RUN_ID_BYTES) != 0) continue;
        number = e.kind == ENTRY_CALLED && !e.detached ? count : 0;
    }
    return number;
}

static void lost_child_on_journal(void *arg, store_journal *j, size_t count)
{
    lost_child *q = arg;
    assert(count == 1);
    uint32_t number = j->error || !j->live ? 0 : lost_child_find_call(q, j);
    if (number > 0)
        lost_child_write(q, number);
    else
        lost_child_end(q, !j->error);
}

static void lost_child_on_kin(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    lost_child *q = arg;
    (void)end;
    bool is_called = !error && count > 0 && kin_key_read(rows[0].key, &q->caller);
    if (!is_called)
        lost_child_end(q, !error);
    else if (!store_load(q->home->port, &q->caller, 1, lost_child_on_journal, q))
        lost_child_end(q, false);
}

void lost_child_tell(home *h, const slot *s)
{
    kin_bounds bounds;
    lost_child *q = malloc(sizeof *q);
    if (!q) return;
    *q = (lost_child){.home = h, .id = s->id};
    const store_range range = kin_range(&bounds, &s->id, KIN_PARENT, NULL, 1);
    if (!store_scan(h->port, &range, lost_child_on_kin, q)) free(q);
}
