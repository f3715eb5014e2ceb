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

/* What the caller's journal says. */
typedef struct found_call {
    uint32_t number;     /* of the entry by which the run was called and that waits for its result; 0: there is none */
    uint32_t generation; /* of the caller */
} found_call;

/* ---- The letter ---- */

static void lost_child_on_fate(void *arg, mail_fate fate) { lost_child_end(arg, fate == MAIL_KEPT); }

static void lost_child_write(lost_child *q, const found_call *found)
{
    const letter_call call = {.caller = q->caller, .generation = found->generation, .number = found->number};
    const returned what = {.outcome = ENTRY_FAILED,
                           .error = entry_text_of("its run could not be read, and was deleted (--retain-stopped)")};
    mail_letter *m = returning_new(q->home, &call, &q->id, &what);
    if (!m) {
        lost_child_end(q, false);
        return;
    }
    m->on_fate = lost_child_on_fate;
    m->arg = q;
    mail_put(m);
}

/* ---- Its caller ---- */

/* A call whose failure has ended the caller waits again when that has gone on. */
static found_call lost_child_find_call(const lost_child *q, const store_journal *j)
{
    const char *error = NULL;
    found_call found = {.number = 0};
    uint32_t called = 0, count = 0;
    uint64_t path = 0;
    for (size_t at = 0, n; at < j->len; at += n) {
        entry e;
        n = entry_decode(j->data + at, j->len - at, &e, &error);
        if (n == 0) return found;
        count++;
        if (e.kind == ENTRY_REOPENED) {
            found.generation = e.attempt;
            if (entry_has_cause(&e, path)) found.number = called;
        }
        if ((e.kind != ENTRY_CALLED && e.kind != ENTRY_RETURNED) || e.child.len != RUN_ID_BYTES) continue;
        if (memcmp(e.child.data, q->id.bytes, RUN_ID_BYTES) != 0) continue;
        path = e.path;
        if (e.kind == ENTRY_CALLED) called = e.detached ? 0 : count;
        found.number = e.kind == ENTRY_CALLED ? called : 0;
    }
    return found;
}

static void lost_child_on_journal(void *arg, store_journal *j, size_t count)
{
    lost_child *q = arg;
    assert(count == 1);
    found_call found = {.number = 0};
    if (!j->error && j->live) found = lost_child_find_call(q, j);
    if (found.number > 0)
        lost_child_write(q, &found);
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
