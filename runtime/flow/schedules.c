#include "runtime/flow/schedules.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/log.h"
#include "runtime/flow/schedules_core.h"
#include "runtime/run/board.h"
#include "runtime/run/program.h"

enum {
    AGAIN_MS = 1000, /* until a schedule is looked at again, of which a look has come to nothing */
    LOOK_MOST_MS = 3600000
};

const char schedules_unknown[] = "recovering: the schedules cannot be read yet, and nothing was done";

/* ---- The list ---- */

static void schedule_free(schedule *s)
{
    if (!s) return;
    assert(!s->changes);
    free(s->name);
    free(s);
}

/* Where the schedule of that name is, or belongs. Under the lock, or on the first loop. */
static schedule **schedules_find(schedules *all, const char *name)
{
    schedule **at = &all->first;
    while (*at && strcmp((*at)->name, name) < 0) at = &(*at)->next;
    return at;
}

static bool schedule_is(const schedule *s, const char *name) { return s && strcmp(s->name, name) == 0; }

/* Finds the schedule of that name, or makes it. NULL: no memory. */
static schedule *schedules_take(schedules *all, const char *name)
{
    schedule **at = schedules_find(all, name);
    if (schedule_is(*at, name)) return *at;
    schedule *s = calloc(1, sizeof *s);
    if (s) s->name = strdup(name);
    if (!s || !s->name) {
        free(s);
        return NULL;
    }
    s->all = all;
    s->next_ms = CRON_NEVER;
    s->is_mine = schedules_own(all, name);
    uv_mutex_lock(&all->lock);
    s->next = *at;
    *at = s;
    uv_mutex_unlock(&all->lock);
    return s;
}

void schedules_drop(schedules *all, schedule *s)
{
    assert(!s->function && !s->changes && !s->is_busy);
    uv_mutex_lock(&all->lock);
    schedule **at = schedules_find(all, s->name);
    assert(*at == s);
    *at = s->next;
    uv_mutex_unlock(&all->lock);
    schedule_free(s);
}

static bool schedules_add_functions(schedules *all)
{
    for (size_t i = 0; i < all->app->endpoint_count; i++) {
        endpoint *e = all->app->endpoints[i];
        schedule *s = e->schedule ? schedules_take(all, e->route) : NULL;
        if (e->schedule && !s) return false;
        if (s) s->function = e;
    }
    return true;
}

static bool schedules_on_row(void *arg, const store_table_row *row);
static void schedules_complete(schedules *all);
static void schedules_on_end(void *arg);

schedules *schedules_new(sw_app *app)
{
    schedules *all = calloc(1, sizeof *all);
    if (!all) return NULL;
    all->app = app;
    all->cluster = app->store ? store_cluster(app->store) : &cluster_alone;
    if (uv_mutex_init(&all->lock) != 0) {
        free(all);
        return NULL;
    }
    all->reading = (table_reading){.table = SCHEDULES_TABLE,
                                   .what = "no schedule fires, since the schedules",
                                   .on_row = schedules_on_row,
                                   .on_end = schedules_on_end,
                                   .arg = all};
    if (schedules_add_functions(all)) {
        if (app->store && table_reading_try(&all->reading, app->store)) schedules_complete(all);
        return all;
    }
    schedules_free(all);
    return NULL;
}

void schedules_free(schedules *all)
{
    if (!all) return;
    for (schedule *s = all->first, *next; s; s = next) {
        next = s->next;
        schedule_free(s);
    }
    uv_mutex_destroy(&all->lock);
    free(all);
}

/* ---- When to look ---- */

static void schedules_on_due(struct timer *t)
{
    const schedules *all = t->arg;
    schedules_look(all->home);
}

static void schedules_start_timer(schedules *all, int64_t ms)
{
    bool is_reserved = all->due.has_reserve;
    assert(is_reserved && ms >= 0);
    all->due = (struct timer){.fn = schedules_on_due, .arg = all, .has_reserve = is_reserved};
    (void)timers_start(&all->home->timers, &all->due, (uint64_t)ms);
}

void schedules_arm(schedules *all, int64_t now_ms)
{
    int64_t next_ms = CRON_NEVER;
    timers_stop(&all->home->timers, &all->due);
    for (const schedule *s = all->first; s; s = s->next) {
        int64_t due_ms = s->is_retried ? now_ms + AGAIN_MS : s->next_ms;
        if (!s->is_busy && due_ms < next_ms) next_ms = due_ms;
    }
    if (next_ms == CRON_NEVER) return;
    int64_t left_ms = next_ms - now_ms; /* the clock may be set: then schedules_look is called, at the latest now */
    schedules_start_timer(all, left_ms < 0 ? 0 : left_ms > LOOK_MOST_MS ? LOOK_MOST_MS : left_ms);
}

static void schedules_count_waiting(schedules *all)
{
    uint32_t count = 0;
    for (const schedule *s = all->first; s; s = s->next) count += s->is_mine && s->row.waits_ms > 0;
    __atomic_store_n(&all->waiting, count, __ATOMIC_RELEASE);
}

bool schedules_run(const schedules *all) { return all && schedules_are_known(all) && !all->is_draining; }

void schedules_look(home *h)
{
    schedules *all = h->index == 0 ? h->app->schedules : NULL;
    if (!schedules_run(all)) return;
    __atomic_store_n(&all->is_asked, false, __ATOMIC_RELEASE);
    int64_t now_ms = clock_now(&h->clock).wall_ms;
    for (schedule *s = all->first, *next; s; s = next) {
        next = s->next;
        s->is_outdated = s->is_busy;
        if (!s->is_busy && s->is_mine) schedule_look(h, s, now_ms);
    }
    schedules_arm(all, now_ms);
}

void schedules_look_if_told(home *h)
{
    const schedules *all = h->index == 0 ? h->app->schedules : NULL;
    if (all && __atomic_load_n(&all->is_asked, __ATOMIC_ACQUIRE)) schedules_look(h);
}

void schedules_look_soon(schedules *all)
{
    if (!__atomic_exchange_n(&all->is_asked, true, __ATOMIC_ACQ_REL)) all->home->wake(all->home);
}

void schedules_tell_over(sw_app *app)
{
    schedules *all = app->schedules;
    if (all && __atomic_load_n(&all->waiting, __ATOMIC_ACQUIRE) > 0) schedules_look_soon(all);
}

void schedules_drain(home *h)
{
    schedules *all = h->index == 0 ? h->app->schedules : NULL;
    if (!all || !all->home) return;
    all->is_draining = true;
    timers_stop(&h->timers, &all->due);
    table_reading_stop(&all->reading);
    table_reading_stop(&all->others);
    for (schedule *s = all->first; s; s = s->next) {
        if (s->cancels) board_end(s->cancels);
        s->cancels = NULL;
        schedule_deny_changes(s);
    }
}

/* ---- What is on disk ---- */

bool schedules_take_row(schedules *all, const store_table_row *row, bool others)
{
    schedule_row read;
    bool is_short = false;
    char name[STORE_ROW_KEY_MAX + 1];
    bool is_name = row->key.len > 0 && row->key.len <= STORE_ROW_KEY_MAX && !memchr(row->key.data, 0, row->key.len);
    if (is_name) {
        memcpy(name, row->key.data, row->key.len);
        name[row->key.len] = 0;
        if (others && schedules_own(all, name)) return true;
    }
    if (is_name && schedule_row_read(row->value, &read, &is_short)) {
        schedule *s = schedules_take(all, name);
        if (!s) return false;
        uv_mutex_lock(&all->lock);
        s->row = read;
        s->has_row = s->is_seen = true;
        uv_mutex_unlock(&all->lock);
        return true;
    }
    if (!is_short && !others)
        log_line(LOG_ERROR, NULL, "a row of the table %s cannot be read: its schedule begins anew", SCHEDULES_TABLE);
    return !is_short;
}

static bool schedules_on_row(void *arg, const store_table_row *row) { return schedules_take_row(arg, row, false); }

static void schedules_tell_all(const schedules *all)
{
    for (const schedule *s = all->first; s; s = s->next) {
        if (!s->function)
            log_line(LOG_WARN, NULL, "the program does not have the schedule \"%s\" any more: no run begins for it",
                     s->name);
        else if (s->row.is_paused)
            log_line(LOG_WARN, NULL, "%s has paused the schedule \"%s\": no run begins for it", s->row.by, s->name);
    }
}

static void schedules_complete(schedules *all)
{
    schedules_tell_all(all);
    schedules_count_waiting(all);
    __atomic_store_n(&all->is_known, true, __ATOMIC_RELEASE);
}

/* All rows have been read. */
static void schedules_go_on(schedules *all)
{
    schedules_begin_others(all);
    schedules_look(all->home);
}

static void schedules_on_end(void *arg)
{
    schedules *all = arg;
    schedules_complete(all);
    schedules_go_on(all);
}

bool schedules_join(home *h)
{
    schedules *all = h->index == 0 ? h->app->schedules : NULL;
    if (!all) return true;
    all->home = h;
    all->due.has_reserve = timers_reserve(&h->timers, 1); /* the reading's own is not started beside it */
    return all->due.has_reserve && schedules_join_others(all);
}

void schedules_begin(home *h)
{
    schedules *all = h->index == 0 ? h->app->schedules : NULL;
    if (!all || !h->port) return;
    if (schedules_are_known(all))
        schedules_go_on(all);
    else
        table_reading_go_on(&all->reading, h);
}

/* ---- For people ---- */

bool schedules_are_known(const schedules *all) { return !all || __atomic_load_n(&all->is_known, __ATOMIC_ACQUIRE); }

void schedule_fill_view(const schedule *s, schedule_view *out)
{
    const schedule_plan *plan = s->function ? s->function->schedule : NULL;
    *out = (schedule_view){.name = s->name, .function = s->function, .plan = plan, .row = s->has_row ? &s->row : NULL};
    int64_t at_ms = clock_wall_ms();
    if (s->has_row && s->row.upto_ms > at_ms) at_ms = s->row.upto_ms;
    for (int i = 0; plan && i < SCHEDULE_NEXT; i++)
        out->next_ms[i] = at_ms = at_ms == CRON_NEVER ? CRON_NEVER : cron_next(plan->cron, at_ms);
}

void schedules_each(schedules *all, void (*on_schedule)(void *arg, const schedule_view *one), void *arg)
{
    schedule_view view;
    uv_mutex_lock(&all->lock);
    for (const schedule *s = all->first; s; s = s->next) {
        schedule_fill_view(s, &view);
        on_schedule(arg, &view);
    }
    uv_mutex_unlock(&all->lock);
}

int64_t schedules_point_behind(schedules *all, entry_text function, const run_id *run)
{
    int64_t point_ms = 0;
    if (!all) return 0;
    uv_mutex_lock(&all->lock);
    const schedule *s = all->first;
    while (s && !entry_text_is(function, s->name)) s = s->next;
    bool is_last = s && s->has_row && s->row.point_ms > 0 && run_id_equal(&s->row.run, run);
    if (is_last) point_ms = s->row.waits_ms;
    uv_mutex_unlock(&all->lock);
    return point_ms;
}

bool schedules_change(home *h, const schedule_wish *wish, schedule_done_fn *on_done, void *arg)
{
    schedules *all = h->app->schedules;
    assert(h->index == 0 && schedules_run(all));
    schedule *s = *schedules_find(all, wish->name);
    if (!schedule_is(s, wish->name)) return false;
    assert(s->is_mine);
    schedule_change *c = calloc(1, sizeof *c);
    if (!c) {
        on_done(arg, SCHEDULE_REFUSED, NULL, store_no_memory);
        return true;
    }
    *c = (schedule_change){.act = wish->act, .on_done = on_done, .arg = arg};
    strncpy(c->by, wish->by, sizeof c->by - 1);
    schedule_change **at = &s->changes;
    while (*at) at = &(*at)->next;
    *at = c;
    schedules_look(h);
    return true;
}
