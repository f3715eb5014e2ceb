#include "runtime/recovery/presence.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "runtime/base/log.h"
#include "runtime/base/want.h"
#include "runtime/recovery/crash.h"
#include "runtime/run/comeback.h"
#include "runtime/run/program.h"
#include "runtime/run/suspects.h"
#include "runtime/run/ties.h"

/* Puts the start off if the disk takes no writes: what the start has written may just have filled it. */
static void presence_put_off(sw_app *app)
{
    if (app->put_off || store_takes_writes(app->store)) return;
    app->put_off = true;
    store_gate(app->store);
}

bool presence_open(presence *p, sw_app *app)
{
    char how[FORMER_TEXT];
    const char *data = app->opt.data;
    *p = (presence){.unclean = false};
    assert(!app->ties && !app->suspects);
    if (!app->store) return true;
    presence_put_off(app);
    app->ties = ties_open(data, app->opt.redirect_after_ms, !app->put_off);
    if (!app->ties) return false;
    ties_forget_ended(app->ties, app->store);
    app->ended_well = ties_former_end(app->ties) == FOLDER_ENDED;
    former_read(&p->before, data);
    crash_ends crashes = crash_start(app->store, data);
    p->unclean = former_is_unclean(&p->before, store_epoch(app->store), &crashes, &app->worker_before, how);
    app->suspects = suspects_start(app->store, &(suspects_options){.unclean = p->unclean,
                                                                   .again = former_again(&p->before),
                                                                   .how = how,
                                                                   .lived_ms = former_served_ms(&p->before),
                                                                   .began_ms = app->started_ms,
                                                                   .loops = app->loop_count});
    presence_put_off(app);
    p->before.ends = former_ends(&p->before, store_epoch(app->store), &crashes);
    app->ended_by_runs = p->before.ends;
    return true;
}

void presence_order(const presence *p, sw_app *app)
{
    assert(!app->comeback && !app->loops);
    if (!app->store) return;
    const comeback_options o = {.ends = p->before.ends,
                                .lived_ms = p->before.ends > 0 ? former_served_ms(&p->before) : 0,
                                .epoch = store_epoch(app->store),
                                .loops = app->loop_count};
    app->comeback = comeback_new(&o);
    if (!app->comeback)
        want_end("the order in which runs come back"); /* else runs that kill the process could come first */
}

static void presence_write_former(const presence *p, const sw_app *app)
{
    if (!former_begin(&p->before, p->unclean, store_epoch(app->store), app->opt.data))
        log_line(LOG_WARN, NULL, "data folder %s: its file process cannot be written: %s", app->opt.data,
                 strerror(errno));
}

void presence_begin(const presence *p, const sw_app *app)
{
    if (!app->store) return;
    if (!app->put_off) presence_write_former(p, app);
    crash_serve();
}

/* A culprit among the suspects is not stopped now: it is a suspect, so it is loaded alone. */
void presence_go_on(const presence *p, sw_app *app)
{
    assert(app->put_off && app->ties);
    if (!store_takes_writes(app->store)) return;
    (void)crash_start(app->store, app->opt.data);
    if (!store_takes_writes(app->store)) return; /* the disk is full again: crashes may not be in the journal */
    ties_mark(app->ties);
    presence_write_former(p, app);
    app->put_off = false;
    store_ungate(app->store);
}

void presence_end(sw_app *app, bool well)
{
    crash_serve_end();
    if (app->store && !app->put_off) former_end(app->opt.data);
    ties_close(app->ties, well);
    app->ties = NULL;
}
