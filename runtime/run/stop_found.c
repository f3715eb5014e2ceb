#include "runtime/run/stop_found.h"

#include "runtime/run/program.h"

stop_reason stop_found(const sw_app *app, const store_summary *s)
{
    const run_summary *of = &s->of;
    if (!s->live) return STOP_NONE;
    if (of->error) return of->error == entry_newer ? STOP_NEWER : STOP_UNREADABLE;
    if (!of->started.kind) return STOP_UNREADABLE;
    if (of->stopped.kind) return stop_of_entry(&of->stopped);
    if (s->due_ms == STORE_DUE_STOPPED)
        return STOP_UNKNOWN; /* the entry that says why is in the part that was not read: the run's own page has it */
    if (!app) return STOP_NONE; /* no program, whose endpoints could be missing */
    if (!app_endpoint(app, of->started.function.data, of->started.function.len)) return STOP_NO_ENDPOINT;
    uint64_t epoch = store_epoch(app->store);
    bool former = app->opt.no_resume && entry_opening(of->started.epoch) != epoch;
    return former && entry_opening(of->released_epoch) != epoch ? STOP_NOT_RESUMED : STOP_NONE;
}
