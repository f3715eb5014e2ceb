/* each: sw_each: one step for each element of an array, as a group that the first failure decides. Owns nothing. */
#include <assert.h>

#include "runtime/api/group_core.h"
#include "runtime/run/ctx.h"

/* Adds all members before the first one starts: a failure that the journal has of any member decides the group. */
sw_group *sw_each_begin(sw_ctx *c, const char *id, sw_step_fn fn, sw_value inputs, const sw_each_options *options)
{
    static const sw_each_options none = {.parallel_max = 0};
    const sw_each_options *o = options ? options : &none;
    ctx_check(c, "sw_each");
    if (inputs.type != MSGPACK_OBJECT_ARRAY && inputs.type != MSGPACK_OBJECT_NIL)
        ctx_fail_misuse(c, "sw_each \"%s\" needs an array of inputs", id ? id : "");
    sw_group *g = sw_group_new_with(
        c, &(sw_group_options){.parallel_max = o->parallel_max, .settle = o->settle, .step = o->step});
    g->fails_at_once = !o->settle;
    assert(c->groups == g);
    c->groups = g->next; /* while members are added the context does not know the group: when adding fails, it must not
                            wait for them */
    for (size_t i = 0; i < sw_len(inputs); i++) {
        step_spec spec = step_prepare(c, id, fn, sw_at(inputs, i), &o->step);
        member_add(c, g, &member_step, &spec);
    }
    g->next = c->groups;
    c->groups = g;
    group_start_members(g);
    return g;
}

sw_value sw_each_with(sw_ctx *c, const char *id, sw_step_fn fn, sw_value inputs, const sw_each_options *options)
{
    return sw_group_wait(sw_each_begin(c, id, fn, inputs, options));
}

sw_value sw_each(sw_ctx *c, const char *id, sw_step_fn fn, sw_value inputs, size_t max_parallel)
{
    return sw_each_with(c, id, fn, inputs, &(sw_each_options){.parallel_max = max_parallel});
}
