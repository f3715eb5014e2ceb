/* schedule_others: schedules that other nodes of the cluster own. What is on disk of them is read again each second, so
 * that each node shows what has become of them; nothing is done about their points. */
#include <string.h>

#include "runtime/base/digest.h"
#include "runtime/flow/schedules_core.h"
#include "runtime/run/program.h"

enum { LOOK_MS = 1000 };

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

/* Forgets what is on disk no longer, and begins again. */
static void others_on_end(void *arg)
{
    schedules *all = arg;
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
    table_reading_begin_later(&all->others, all->home, LOOK_MS);
}

static bool others_on_row(void *arg, const store_table_row *row) { return schedules_take_row(arg, row, true); }

bool schedules_join_others(schedules *all)
{
    all->others = (table_reading){
        .table = SCHEDULES_TABLE, .on_row = others_on_row, .on_end = others_on_end, .arg = all}; /* without a line */
    return !all->cluster->has_others || timers_reserve(&all->home->timers, 1);
}

void schedules_begin_others(schedules *all)
{
    if (all->cluster->has_others) table_reading_begin_later(&all->others, all->home, LOOK_MS);
}
