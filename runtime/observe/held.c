#include "runtime/observe/held.h"

#include <string.h>

#include "runtime/loop/loop.h"
#include "runtime/recovery/occupant.h"

static const home *held_home(const sw_app *app, const run_id *id)
{
    return &app->loops[run_id_loop(id, app->loop_count)].home;
}

static int64_t held_ms(const home *h) { return (int64_t)(durations_turn_takes_us(&h->durations) / 1000); }

bool held_is(const sw_app *app, const run_id *id) { return held_ms(held_home(app, id)) >= HELD_MS; }

bool held_look(const sw_app *app, const run_id *id, arena *a, survey *out)
{
    const home *h = held_home(app, id);
    occupant who;
    char text[RUN_ID_TEXT + 1];
    run_id_format(id, text);
    *out = (survey){.now_ms = clock_wall_ms(), .held_ms = held_ms(h), .holder = "", .holder_step = ""};
    if (out->held_ms < HELD_MS) return false;
    if (!occupant_read(&h->sched, &who) || !*who.label) return true;
    out->is_held_by_it = strcmp(who.run, text) == 0;
    const char *holder = arena_printf(a, "%s%s%s", who.label, *who.run ? " run " : "", who.run);
    const char *step = arena_strndup(a, who.step, strlen(who.step));
    out->is_short = !holder || !step;
    if (holder) out->holder = holder;
    if (step) out->holder_step = step;
    return true;
}
