#include "runtime/recovery/settings_start.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/log.h"
#include "runtime/recovery/settle.h"
#include "runtime/run/home.h"
#include "runtime/run/program.h"
#include "runtime/run/settings.h"

enum {
    SCAN_ROWS = 256,
    SCAN_FIRST_MS = 100, /* the pause before a failed scan is tried again doubles from the first to the longest */
    SCAN_MOST_MS = 10000
};

typedef struct settings_reading {
    settings *to;
    char last[STORE_ROW_KEY_MAX + 1]; /* key of the last row, and a zero byte: the next scan begins behind it */
    size_t last_len;
    bool is_short;  /* there was no memory for a row of the last scan */
    unsigned tries; /* scans in a row that failed */
    struct timer retry;
} settings_reading;

static void settings_on_rows(void *arg, const store_table_row *rows, size_t count)
{
    settings_reading *r = arg;
    r->is_short = false;
    for (size_t i = 0; i < count; i++) {
        r->is_short = !settings_take_row(r->to, &rows[i]);
        if (r->is_short) return;
        assert(rows[i].key.len < sizeof r->last);
        memcpy(r->last, rows[i].key.data, rows[i].key.len);
        r->last[rows[i].key.len] = 0;
        r->last_len = rows[i].key.len + 1;
        r->tries = 0;
    }
}

static store_range settings_left(const settings_reading *r)
{
    size_t len = r->last_len < STORE_ROW_KEY_MAX ? r->last_len : STORE_ROW_KEY_MAX;
    return (store_range){.table = settings_table, .from = {r->last, len}, .rows_max = SCAN_ROWS};
}

/* ---- Before the loops start ---- */

/* False: they are not all read. */
static bool settings_read(settings_reading *r, store *journals)
{
    bool end = false, ok = true;
    settling *s = settle_open(journals);
    if (!s) return false;
    while (ok && !end) {
        const store_range range = settings_left(r);
        ok = settle_scan(s, &range, settings_on_rows, r, &end) && !r->is_short;
    }
    settle_close(s);
    return ok;
}

bool settings_start(sw_app *app, char *error, size_t error_size)
{
    assert(!app->settings && !app->loops);
    if (!app->store) return true;
    app->settings = settings_new(app);
    app->settings_reading = calloc(1, sizeof *app->settings_reading);
    if (!app->settings || !app->settings_reading) {
        (void)snprintf(error, error_size, "out of memory");
        return false;
    }
    app->settings_reading->to = app->settings;
    if (settings_read(app->settings_reading, app->store)) settings_complete(app->settings);
    return true;
}

void settings_end(sw_app *app)
{
    free(app->settings_reading);
    settings_free(app->settings);
    app->settings_reading = NULL;
    app->settings = NULL;
}

/* ---- On the first loop ---- */

static void settings_scan(home *h);

static void settings_on_retry_due(struct timer *t) { settings_scan(t->arg); }

static void settings_retry_later(home *h, const char *why)
{
    settings_reading *r = h->app->settings_reading;
    assert(why && !timer_is_started(&r->retry));
    if (h->draining) return;
    int64_t pause = (int64_t)SCAN_FIRST_MS << r->tries;
    if (pause < SCAN_MOST_MS)
        r->tries++;
    else
        pause = SCAN_MOST_MS;
    log_line(LOG_ERROR, NULL,
             "the settings cannot be read yet, so new requests are refused, which is tried again in %lld ms: %s",
             (long long)pause, why);
    r->retry = (struct timer){.fn = settings_on_retry_due, .arg = h, .has_reserve = true};
    (void)timers_start(&h->timers, &r->retry, (uint64_t)pause);
}

static void settings_on_scanned(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    home *h = arg;
    settings_reading *r = h->app->settings_reading;
    if (!error) settings_on_rows(r, rows, count);
    if (!error && r->is_short) error = store_no_memory;
    if (error)
        settings_retry_later(h, error);
    else if (end)
        settings_complete(r->to);
    else if (!h->draining)
        settings_scan(h);
}

static void settings_scan(home *h)
{
    const store_range range = settings_left(h->app->settings_reading);
    if (!store_scan(h->port, &range, settings_on_scanned, h)) settings_retry_later(h, store_no_memory);
}

void settings_recover(home *h)
{
    if (h->index == 0 && !settings_are_known(h->app->settings)) settings_scan(h);
}

void settings_recover_no_more(home *h)
{
    if (h->index == 0 && h->app->settings_reading) timers_stop(&h->timers, &h->app->settings_reading->retry);
}
