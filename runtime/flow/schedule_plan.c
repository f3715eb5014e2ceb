#include "runtime/flow/schedule_plan.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/moment.h"

const char *schedule_overlap_name(sw_overlap overlap)
{
    static const char *const names[] = {[SW_OVERLAP_SKIP] = "skip",
                                        [SW_OVERLAP_QUEUE] = "queue",
                                        [SW_OVERLAP_REPLACE] = "replace",
                                        [SW_OVERLAP_ALLOW] = "allow"};
    assert((size_t)overlap < sizeof names / sizeof *names);
    return names[overlap];
}

void schedule_plan_text(const schedule_plan *p, char *to, size_t size)
{
    (void)snprintf(to, size, "%s%s%s", p->expression, *p->zone ? " " : "", p->zone);
}

/* Returns what is wrong with the options beside .cron; NULL: nothing. */
static const char *plan_object(const sw_function_options *o)
{
    if (!o->cron && o->timezone) return ".timezone is of no use without .cron";
    if (!o->cron && o->overlap != SW_OVERLAP_SKIP) return ".overlap is of no use without .cron";
    if (!o->cron && o->catch_up_ms != 0) return ".catch_up_ms is of no use without .cron";
    if ((unsigned)o->overlap > SW_OVERLAP_ALLOW)
        return ".overlap is SW_OVERLAP_SKIP, SW_OVERLAP_QUEUE, SW_OVERLAP_REPLACE or SW_OVERLAP_ALLOW";
    return o->catch_up_ms < 0 ? ".catch_up_ms is negative" : NULL;
}

/* False: `why` says what is wrong. */
static bool plan_fill(schedule_plan *p, const sw_function_options *o, char *why, size_t why_size)
{
    int named = snprintf(why, why_size, ".cron \"%.64s\": ", o->cron);
    assert(named > 0 && (size_t)named < why_size);
    p->cron = cron_new(o->cron, o->timezone, why + named, why_size - (size_t)named);
    if (!p->cron) return false;
    bool has_zone = cron_has_zone(p->cron);
    (void)snprintf(p->expression, sizeof p->expression, "%s", o->cron);
    (void)snprintf(p->zone, sizeof p->zone, "%s", !has_zone ? "" : o->timezone ? o->timezone : "UTC");
    p->overlap = o->overlap;
    p->catch_up_ms = moment_of(o->catch_up_ms);
    return true;
}

schedule_plan *schedule_plan_new(const sw_function_options *o, bool *is_wrong, char *why, size_t why_size)
{
    const char *objection = plan_object(o);
    *is_wrong = objection != NULL;
    if (objection) (void)snprintf(why, why_size, "%s", objection);
    if (objection || !o->cron) return NULL;
    schedule_plan *p = calloc(1, sizeof *p);
    if (!p) (void)snprintf(why, why_size, "out of memory");
    *is_wrong = !p || !plan_fill(p, o, why, why_size);
    if (!*is_wrong) return p;
    schedule_plan_free(p);
    return NULL;
}

void schedule_plan_free(schedule_plan *p)
{
    if (!p) return;
    cron_free(p->cron);
    free(p);
}
