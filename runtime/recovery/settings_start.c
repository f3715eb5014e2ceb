#include "runtime/recovery/settings_start.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/recovery/table_reading.h"
#include "runtime/run/home.h"
#include "runtime/run/program.h"
#include "runtime/run/settings.h"

static bool settings_on_row(void *arg, const store_table_row *row) { return settings_take_row(arg, row); }

static void settings_on_end(void *arg) { settings_complete(arg); }

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
    *app->settings_reading = (table_reading){.table = settings_table,
                                             .what = "new requests are refused, since the settings",
                                             .on_row = settings_on_row,
                                             .on_end = settings_on_end,
                                             .arg = app->settings};
    if (table_reading_try(app->settings_reading, app->store)) settings_complete(app->settings);
    return true;
}

void settings_end(sw_app *app)
{
    free(app->settings_reading);
    settings_free(app->settings);
    app->settings_reading = NULL;
    app->settings = NULL;
}

void settings_recover(home *h)
{
    if (h->index == 0 && !settings_are_known(h->app->settings)) table_reading_go_on(h->app->settings_reading, h);
}

void settings_recover_no_more(home *h)
{
    if (h->index == 0 && h->app->settings_reading) table_reading_stop(h->app->settings_reading);
}
