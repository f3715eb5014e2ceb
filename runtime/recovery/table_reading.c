#include "runtime/recovery/table_reading.h"

#include <assert.h>

#include "runtime/base/log.h"
#include "runtime/recovery/settle.h"
#include "runtime/run/home.h"

enum {
    PAGE_ROWS = 256,
    PAUSE_FIRST_MS = 100, /* the pause before a failed read is tried again doubles from the first to the longest */
    PAUSE_MOST_MS = 10000
};

static void reading_take(void *arg, const store_table_row *rows, size_t count)
{
    table_reading *r = arg;
    r->is_short = false;
    for (size_t i = 0; i < count; i++) {
        r->is_short = !r->on_row(r->arg, &rows[i]);
        if (r->is_short) return;
        row_cursor_pass(&r->at, rows[i].key);
        r->tries = 0;
    }
}

static store_range reading_left(const table_reading *r)
{
    return (store_range){.table = r->table, .from = row_cursor_from(&r->at), .rows_max = PAGE_ROWS};
}

bool table_reading_try(table_reading *r, store *journals)
{
    bool end = false, ok = true;
    settling *s = settle_open(journals);
    if (!s) return false;
    while (ok && !end) {
        const store_range range = reading_left(r);
        ok = settle_scan(s, &range, reading_take, r, &end) && !r->is_short;
    }
    settle_close(s);
    return ok;
}

/* ---- On the first loop ---- */

static void reading_ask(table_reading *r);

static void reading_on_due(struct timer *t) { reading_ask(t->arg); }

static void reading_ask_later(table_reading *r, uint64_t pause_ms)
{
    assert(!r->is_stopped && !timer_is_started(&r->due));
    r->due = (struct timer){.fn = reading_on_due, .arg = r, .has_reserve = true};
    (void)timers_start(&r->home->timers, &r->due, pause_ms);
}

static void reading_retry_later(table_reading *r, const char *why)
{
    assert(why);
    int64_t pause_ms = (int64_t)PAUSE_FIRST_MS << r->tries;
    if (pause_ms < PAUSE_MOST_MS)
        r->tries++;
    else
        pause_ms = PAUSE_MOST_MS;
    if (r->what)
        log_line(LOG_ERROR, NULL, "%s cannot be read yet, which is tried again in %lld ms: %s", r->what,
                 (long long)pause_ms, why);
    reading_ask_later(r, (uint64_t)pause_ms);
}

static void reading_on_page(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    table_reading *r = arg;
    if (r->is_stopped) return;
    if (!error) reading_take(r, rows, count);
    if (!error && r->is_short) error = store_no_memory;
    if (error)
        reading_retry_later(r, error);
    else if (end)
        r->on_end(r->arg);
    else
        reading_ask(r);
}

static void reading_ask(table_reading *r)
{
    const store_range range = reading_left(r);
    if (!store_scan(r->home->port, &range, reading_on_page, r)) reading_retry_later(r, store_no_memory);
}

void table_reading_go_on(table_reading *r, struct home *h)
{
    assert(!r->is_stopped && h->index == 0);
    r->home = h;
    reading_ask(r);
}

void table_reading_begin_later(table_reading *r, struct home *h, uint64_t pause_ms)
{
    assert(h->index == 0);
    r->home = h;
    r->tries = 0;
    row_cursor_set(&r->at, (store_bytes){NULL, 0});
    reading_ask_later(r, pause_ms);
}

void table_reading_stop(table_reading *r)
{
    r->is_stopped = true;
    if (r->home) timers_stop(&r->home->timers, &r->due);
}
