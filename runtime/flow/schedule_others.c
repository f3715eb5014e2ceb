/* schedule_others: schedules that other nodes of the cluster own. What is on disk of them is read again each second, so
 * that each node shows what has become of them; nothing is done about their points. */
#include <assert.h>
#include <string.h>

#include "runtime/base/digest.h"
#include "runtime/flow/schedules_core.h"
#include "runtime/run/program.h"

enum { LOOK_MS = 1000, SCAN_ROWS = 256 };

/* By the hash of its name: so all nodes say the same. */
static unsigned schedule_slot(const char *name)
{
    uint8_t hash[DIGEST_BYTES];
    const http_text of[] = {{"schedule", 8}, {name, strlen(name)}};
    digest_texts(hash, of, 2, "the name of a schedule");
    _Static_assert(CLUSTER_SLOTS == UINT8_MAX + 1, "a byte of the hash is a slot");
    return hash[0];
}

unsigned schedules_owner_of(const schedules *all, const char *name)
{
    return all->cluster->has_others ? all->cluster->owners[schedule_slot(name)] : all->cluster->self;
}

bool schedules_own(const schedules *all, const char *name)
{
    return schedules_owner_of(all, name) == all->cluster->self;
}

static void others_rest(schedules *all)
{
    if (!all->is_draining) (void)timers_start(&all->home->timers, &all->others.due, LOOK_MS);
}

/* Forgets what is on disk no longer. */
static void others_finish(schedules *all)
{
    const schedule_row none = {.upto_ms = 0};
    for (schedule *s = all->first, *next; s; s = next) {
        next = s->next;
        bool is_gone = !s->is_mine && s->has_row && !s->is_seen;
        s->is_seen = false;
        if (!is_gone) continue;
        uv_mutex_lock(&all->lock);
        s->row = none;
        s->has_row = false;
        uv_mutex_unlock(&all->lock);
        if (!s->function) schedules_drop(all, s);
    }
    all->others.last_len = 0;
    others_rest(all);
}

static void others_scan(schedules *all);

static void others_on_rows(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    schedules *all = arg;
    others_read *o = &all->others;
    bool is_read = !error;
    if (all->is_draining) return;
    for (size_t i = 0; i < count && is_read; i++) {
        is_read = rows[i].key.len <= STORE_ROW_KEY_MAX && schedules_take_row(all, &rows[i], true);
        if (!is_read) break;
        memcpy(o->last, rows[i].key.data, rows[i].key.len);
        o->last[rows[i].key.len] = 0;
        o->last_len = rows[i].key.len + 1;
    }
    if (!is_read) {
        for (schedule *s = all->first; s; s = s->next) s->is_seen = false;
        o->last_len = 0;
        others_rest(all);
    } else if (end) {
        others_finish(all);
    } else {
        others_scan(all);
    }
}

static void others_scan(schedules *all)
{
    const others_read *o = &all->others;
    const size_t len = o->last_len < STORE_ROW_KEY_MAX ? o->last_len : STORE_ROW_KEY_MAX;
    const store_range range = {.table = SCHEDULES_TABLE, .from = {o->last, len}, .rows_max = SCAN_ROWS};
    if (!store_scan(all->home->port, &range, others_on_rows, all)) others_rest(all);
}

static void others_on_due(struct timer *t)
{
    schedules *all = t->arg;
    if (schedules_are_known(all))
        others_scan(all);
    else
        others_rest(all);
}

bool schedules_join_others(schedules *all)
{
    if (!all->cluster->has_others) return true;
    bool is_reserved = timers_reserve(&all->home->timers, 1);
    all->others.due = (struct timer){.fn = others_on_due, .arg = all, .has_reserve = is_reserved};
    return is_reserved;
}

void schedules_begin_others(schedules *all)
{
    if (all->cluster->has_others) others_rest(all);
}

void schedules_drain_others(schedules *all) { timers_stop(&all->home->timers, &all->others.due); }
