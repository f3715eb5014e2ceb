#include "runtime/recovery/settings_start.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "runtime/recovery/settle.h"
#include "runtime/run/program.h"
#include "runtime/run/settings.h"

enum { SCAN_ROWS = 256 };

typedef struct reading {
    settings *to;
    char last[STORE_ROW_KEY_MAX + 1]; /* key of the last row, and a zero byte: the next scan begins behind it */
    size_t last_len;
    bool is_short;
} reading;

static void settings_on_rows(void *arg, const store_table_row *rows, size_t count)
{
    reading *r = arg;
    for (size_t i = 0; i < count && !r->is_short; i++) {
        r->is_short = !settings_take_row(r->to, &rows[i]);
        assert(rows[i].key.len < sizeof r->last);
        memcpy(r->last, rows[i].key.data, rows[i].key.len);
        r->last[rows[i].key.len] = 0;
        r->last_len = rows[i].key.len + 1;
    }
}

static bool settings_read(settings *to, store *journals)
{
    reading r = {.to = to};
    bool end = false, ok = true;
    settling *s = settle_open(journals);
    if (!s) return false;
    while (ok && !end && !r.is_short) {
        size_t len = r.last_len < STORE_ROW_KEY_MAX ? r.last_len : STORE_ROW_KEY_MAX;
        const store_range range = {.table = settings_table, .from = {r.last, len}, .rows_max = SCAN_ROWS};
        ok = settle_scan(s, &range, settings_on_rows, &r, &end);
    }
    settle_close(s);
    return ok && !r.is_short;
}

bool settings_start(sw_app *app, char *error, size_t error_size)
{
    assert(!app->settings && !app->loops);
    if (!app->store) return true;
    app->settings = settings_new(app);
    if (!app->settings || !settings_read(app->settings, app->store)) {
        (void)snprintf(error, error_size, "the settings cannot be read from the journal, or memory is out");
        return false;
    }
    settings_tell(app->settings);
    return true;
}
