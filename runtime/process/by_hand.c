#include "runtime/process/by_hand.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/base/pool.h"
#include "runtime/flow/schedules.h"
#include "runtime/loop/loop.h"
#include "runtime/recovery/crash.h"
#include "runtime/recovery/presence.h"
#include "runtime/recovery/settings_start.h"
#include "runtime/run/board.h"
#include "runtime/run/comeback.h"
#include "runtime/run/suspects.h"
#include "storage/backend.h"

static bool by_hand_open_store(sw_app *app, const by_hand_options *options, char *error, size_t error_size)
{
    const sw_options *o = &app->opt;
    app->store = store_open(&(store_options){.backend = options->backend,
                                             .index = options->has_index,
                                             .by_hand = true,
                                             .on_commit = app_count_commit,
                                             .on_commit_arg = app,
                                             .retain_ms = o->retain_ms,
                                             .retain_bytes = (uint64_t)o->retain_bytes,
                                             .queue_bytes_max = (size_t)o->journal_queue_max,
                                             .wall_ms = clock_wall_ms},
                            error, error_size);
    return app->store && app_read_secret(app, error, error_size);
}

static bool by_hand_open_loops(sw_app *app, const by_hand_options *options, char *error, size_t error_size)
{
    assert(app->store);
    assert(!app->loops);
    app->loops = calloc(app->loop_count, sizeof *app->loops);
    app->blocking = pool_new((size_t)app->opt.blocking_threads);
    app->aside = pool_new(options->aside_threads);
    app->board = board_new();
    app->schedules = schedules_new(app);
    if (!app->loops || !app->board || !app->schedules || !app->blocking || !app->aside) {
        (void)snprintf(error, error_size, "out of memory");
        return false;
    }
    for (unsigned i = 0; i < app->loop_count; i++)
        if (!loop_init(&app->loops[i], app, options->listeners[i], error, error_size)) return false;
    for (unsigned i = 0; i < app->loop_count; i++) {
        loop_begin(&app->loops[i]);
        slot_watch_orphans(&app->loops[i].home); /* no connection comes from a former process */
    }
    return true;
}

bool by_hand_open(sw_app *app, int argc, char **argv, const by_hand_options *options, char *error, size_t error_size)
{
    assert(options->backend);
    assert(options->listeners);
    assert(options->loops >= 1);
    app->control = -1;
    app->loop_count = options->loops;
    app->ended_well = options->ended_well;
    app->started_ms = clock_wall_ms();
    if (app_configure(app, argc, argv, error, error_size) != OPTIONS_OK) {
        options->backend->ops->close(options->backend);
        return false;
    }
    presence own = {.unclean = false};
    if (!by_hand_open_store(app, options, error, error_size)) return false;
    if (options->has_folder && !presence_open(&own, app)) {
        (void)snprintf(error, error_size, "out of memory");
        return false;
    }
    if (!settings_start(app, error, error_size)) return false;
    if (options->has_folder) presence_order(&own, app);
    if (!by_hand_open_loops(app, options, error, error_size)) return false;
    if (options->has_folder) presence_begin(&own, app);
    return true;
}

void by_hand_drain(sw_app *app)
{
    assert(app->loops);
    for (unsigned i = 0; i < app->loop_count; i++) loop_drain(&app->loops[i], LOOP_STOPPED);
}

void by_hand_close(sw_app *app)
{
    assert(app->loops);
    assert(app->store);
    for (unsigned i = 0; i < app->loop_count; i++) loop_finish(&app->loops[i]);
    for (unsigned i = 0; i < app->loop_count; i++) loop_free(&app->loops[i]);
    if (app->ties) presence_end(app, true);
    crash_end();
    pool_free(app->blocking);
    pool_free(app->aside);
    suspects_free(app->suspects);
    comeback_free(app->comeback);
    settings_end(app);
    schedules_free(app->schedules);
    board_free(app->board);
    store_close(app->store);
    app_free(app);
}
