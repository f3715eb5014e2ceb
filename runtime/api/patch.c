#include "runtime/api/patch.h"

#include <assert.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/api/step.h"
#include "runtime/run/ctx.h"
#include "runtime/run/fit.h"
#include "runtime/run/home.h"
#include "runtime/run/path.h"
#include "runtime/run/record.h"

/* What a cell of the run's paths says of a patch; other paths are counted, and never so high. */
enum { PATCH_OLD = 1 << 30, PATCH_NEW };

static bool patch_is_behind(const run *r) { return r->replay && replay_is_ahead(r->replay); }

void patch_part_begins(run *r)
{
    if (r->groups_open++ == 0) r->part_is_behind = patch_is_behind(r);
}

void patch_part_ends(run *r)
{
    assert(r->groups_open > 0);
    r->groups_open--;
}

static bool patch_is_old(const run *r) { return r->groups_open > 0 ? r->part_is_behind : patch_is_behind(r); }

/* Whether the call works for a member of a group that has lost, which journals no answer. It goes the old way, as long
 * as there may be something of that in the journal to come to; the rest of the run is to have an answer of its own. */
static bool patch_is_of_loser(const sw_ctx *c, uint64_t path)
{
    return c->strand->is_abandoned && patch_is_old(c->run) && !fit_find(c->run, path);
}

static bool patch_decide(sw_ctx *c, const char *id, uint64_t path)
{
    run *r = c->run;
    replay_record *rec = fit_find(r, path);
    if (rec && !fit_is(rec, ENTRY_PATCH, id, 0)) ctx_raise(c, fit_misfit(r, rec, "a call of sw_patch with", id));
    if (rec && !BUG(CHOOSE_AGAIN)) return rec->answer;
    ctx_check_begin(c);
    bool is_old = patch_is_old(r);
    const entry e = {.kind = ENTRY_PATCH,
                     .path = path,
                     .id = entry_text_of(id),
                     .answer = !is_old || BUG(PATCH_ALL),
                     .at_ms = clock_wall_ms()};
    if (!record_append(r, &e)) ctx_fail_misuse(c, "the run's state is over its limit (--run-state-max)");
    return e.answer;
}

bool sw_patch(sw_ctx *c, const char *id)
{
    ctx_check_wait(c, "sw_patch");
    (void)step_check_id(c, "a patch", id);
    if (!c->run) ctx_fail_misuse(c, "sw_patch \"%s\" in a plain route: patches need sw_endpoint", id);
    if (c->kind == CTX_STEP)
        ctx_fail_misuse(c, "sw_patch \"%s\" inside step \"%s\": ask before the step, and give it the answer as input",
                        id, c->id);
    uint32_t *asked = NULL;
    uint64_t path = path_of_patch(c, id, &asked);
    if (*asked == 0 && patch_is_of_loser(c, path)) return false;
    if (*asked == 0) *asked = patch_decide(c, id, path) ? PATCH_NEW : PATCH_OLD;
    if (*asked != PATCH_NEW && *asked != PATCH_OLD)
        ctx_fail_misuse(c, "\"%s\" has the same hash as another id of this run: give it another id", id);
    return *asked == PATCH_NEW;
}

const char *sw_version(sw_ctx *c)
{
    ctx_check(c, "sw_version");
    return c->run ? c->run->version : "";
}
