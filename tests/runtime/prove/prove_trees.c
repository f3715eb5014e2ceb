/* Runs that call runs that call runs, in ways that a seed draws. Whatever it draws comes to the same in each execution:
 * a proof that finds something has found a fault of the library's, or of its own. */
#include <stepwell.h>

enum { HOUR_MS = 3600 * 1000, ACTIONS = 13, DEPTH_MOST = 3 };

/* splitmix64 */
static uint64_t draw(uint64_t *seed, uint64_t below)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % below;
}

static sw_value keep(sw_ctx *c, sw_value v) { return (void)c, v; }

static sw_value fail(sw_ctx *c, sw_value why) { sw_fail_fatal(c, "%s", sw_cstr(c, why)); }

static sw_value on_fail(sw_ctx *c, sw_value why) { return sw_step(c, "fail", fail, why); }

/* {"to", "name"}: tells another run. */
static sw_value on_tell(sw_ctx *c, sw_value whom)
{
    return sw_bool(sw_send_signal(c, "tell", sw_cstr(c, sw_get(whom, "to")), sw_cstr(c, sw_get(whom, "name")),
                                  sw_step(c, "news", keep, sw_get(whom, "name"))));
}

/* The input of a run below this one. `late`: hours that it sleeps at some moment; below 0: for a year, at last. */
static sw_value child_input(sw_ctx *c, uint64_t *seed, int64_t depth, int64_t late)
{
    return sw_map(c, "seed", sw_int((int64_t)draw(seed, 1U << 30)), "depth", sw_int(depth - 1), "late", sw_int(late));
}

static sw_value action_group(sw_ctx *c, uint64_t *seed, int64_t depth, bool settles)
{
    sw_group *g = sw_group_new(c);
    for (uint64_t i = draw(seed, 3) + 1; i > 0; i--) {
        sw_group_call(g, "member", "tree", child_input(c, seed, depth, 0));
        if (settles && draw(seed, 2)) sw_group_call(g, "bad", "fail", sw_str(c, "badly"));
        if (draw(seed, 2)) sw_group_step(g, "beside", keep, sw_int((int64_t)i));
    }
    return settles ? sw_group_settle(g) : sw_group_wait(g);
}

/* The one that sleeps least wins; the others have done something before. */
static sw_value action_any(sw_ctx *c, uint64_t *seed, int64_t depth)
{
    sw_value value = sw_nil();
    sw_group *g = sw_group_new(c);
    for (int64_t i = 2; i >= 0; i--) sw_group_call(g, "member", "tree", child_input(c, seed, depth, 1 + i * 1000));
    if (draw(seed, 2)) sw_group_sleep(g, "deadline", (int64_t)10000 * HOUR_MS);
    size_t winner = sw_group_any(g, "first", &value);
    return sw_array(c, 2, sw_int((int64_t)winner), value);
}

static sw_value on_quick(sw_ctx *c, sw_value v) { return sw_step(c, "keep", keep, v); }

/* Those that lose are cancelled wherever they are just then, and so is what they have called. */
static sw_value action_race(sw_ctx *c, uint64_t *seed, int64_t depth)
{
    sw_value value = sw_nil();
    sw_group *g = sw_group_new(c);
    for (int64_t i = 0; i < 2; i++) sw_group_call(g, "slow", "tree", child_input(c, seed, depth, -1));
    sw_group_call(g, "quick", "quick", sw_int(depth));
    size_t winner = sw_group_any(g, "race", &value);
    return sw_array(c, 2, sw_int((int64_t)winner), value);
}

static sw_value branch(sw_ctx *c, sw_value input) { return sw_call(c, "in branch", "tree", input); }

static sw_value action_branches(sw_ctx *c, uint64_t *seed, int64_t depth)
{
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < 2; i++) sw_group_branch(g, "branch", branch, child_input(c, seed, depth, 0));
    return sw_group_wait(g);
}

static sw_value action_news(sw_ctx *c, uint64_t n)
{
    sw_value news = sw_nil(), name = sw_strf(c, "news%d", (int)n);
    sw_value whom = sw_map(c, "to", sw_str(c, sw_run_id(c)), "name", name);
    sw_call_with(c, "tell", "tell", whom, &(sw_call_options){.detached = true});
    bool is_told = sw_wait_for(c, "news", &(sw_wait){.signal = sw_cstr(c, name)}, &news);
    return sw_array(c, 2, sw_bool(is_told), news);
}

static sw_value action_try(sw_ctx *c)
{
    sw_error err;
    bool ok = sw_try_call(c, "try", "fail", sw_str(c, "as ever"), NULL, &err);
    return sw_str(c, ok ? "" : err.message);
}

static sw_value action_detach(sw_ctx *c, uint64_t *seed, int64_t depth)
{
    const int64_t at_ms = draw(seed, 2) ? sw_now(c) + HOUR_MS : 0;
    const sw_call_options options = {.detached = true, .at_ms = at_ms};
    return sw_call_with(c, "detached", "tree", child_input(c, seed, depth, 0), &options);
}

static sw_value action(sw_ctx *c, uint64_t *seed, int64_t depth, uint64_t n)
{
    const uint64_t which = draw(seed, depth > 0 ? ACTIONS : 5);
    sw_value none;
    switch (which) {
    case 0:
        return sw_step(c, "keep", keep, sw_int((int64_t)n));
    case 1:
        sw_sleep(c, "nap", HOUR_MS / 60);
        return sw_str(c, "slept");
    case 2:
        sw_label(c, "n", sw_printf(c, "%d", (int)n));
        return sw_int((int64_t)(sw_random(c) >> 12));
    case 3:
        return sw_bool(sw_wait_for(c, "nobody", &(sw_wait){.signal = "nobody", .timeout_ms = 1000}, &none));
    case 4:
        return action_try(c);
    case 5:
        return action_group(c, seed, depth, false);
    case 6:
        return action_group(c, seed, depth, true);
    case 7:
        return action_any(c, seed, depth);
    case 8:
        return action_branches(c, seed, depth);
    case 9:
        return action_news(c, n);
    case 10:
        return action_detach(c, seed, depth);
    case 11:
        return action_race(c, seed, depth);
    default:
        return sw_call(c, "call", "tree", child_input(c, seed, depth, 0));
    }
}

static sw_value on_tree(sw_ctx *c, sw_value input)
{
    uint64_t seed = (uint64_t)sw_as_int(sw_get(input, "seed"), 0);
    int64_t depth = sw_as_int(sw_get(input, "depth"), 0), late = sw_as_int(sw_get(input, "late"), 0);
    uint64_t count = draw(&seed, 3) + 1, sleeps_at = draw(&seed, count);
    sw_value done = sw_array(c, 1, sw_str(c, sw_run_id(c)));
    if (depth > DEPTH_MOST) sw_fail_fatal(c, "too deep");
    for (uint64_t n = 0; n < count; n++) {
        if (late > 0 && n == sleeps_at) sw_sleep(c, "late", late * HOUR_MS);
        sw_push(c, &done, action(c, &seed, depth, n));
    }
    if (late < 0) sw_sleep(c, "late", (int64_t)366 * 24 * HOUR_MS);
    return done;
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("trees");
    sw_function(app, "tree", on_tree, NULL);
    sw_function(app, "quick", on_quick, NULL);
    sw_function(app, "fail", on_fail, NULL);
    sw_function(app, "tell", on_tell, NULL);
    return sw_main(app, argc, argv);
}
