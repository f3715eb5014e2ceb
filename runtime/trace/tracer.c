#include "runtime/trace/tracer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/log.h"

enum { PATH_BYTES = 4096, WARNING_BYTES = 512, NUMBER_TEXT = 16 };

static bool tracer_describe(tracer *t, const tracer_options *o)
{
    char pid[NUMBER_TEXT];
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    return (!o->instance || trace_env_add(&t->env, "service.instance.id", o->instance)) &&
           trace_env_add(&t->env, "process.pid", pid);
}

static bool tracer_open(tracer *t, const tracer_options *o)
{
    char path[PATH_BYTES], warning[WARNING_BYTES];
    if (o->folder) (void)snprintf(path, sizeof path, "%s/spans", o->folder);
    t->spool = spool_open(o->folder ? path : NULL, t->env.queue_max, warning, sizeof warning);
    if (*warning) log_line(LOG_WARN, NULL, "traces: %s", warning);
    t->exporter = t->spool ? exporter_start(t->spool, &t->env) : NULL;
    return t->exporter != NULL;
}

static void tracer_free(tracer *t)
{
    spool_close(t->spool);
    trace_env_free(&t->env);
    free(t);
}

bool tracer_start(tracer **out, const tracer_options *o)
{
    *out = NULL;
    tracer *t = calloc(1, sizeof *t);
    if (!t) return false;
    bool ok = trace_env_read(&t->env, o->service);
    if (ok && t->env.is_on) ok = tracer_describe(t, o) && tracer_open(t, o);
    if (ok && t->env.is_on) {
        log_line(LOG_INFO, NULL, "traces go to %s", t->env.shown_url);
        *out = t;
        return true;
    }
    tracer_free(t);
    return ok;
}

void tracer_stop(tracer *t, int64_t flush_ms)
{
    if (!t) return;
    exporter_stop(t->exporter, flush_ms);
    const uint64_t left = spool_figures_of(t->spool).waiting;
    if (left > 0) log_line(LOG_WARN, NULL, "traces: %llu spans are not exported yet", (unsigned long long)left);
    tracer_free(t);
}

void tracer_ready(tracer *t, span *p)
{
    if (spool_ready(t->spool, p)) exporter_wake(t->exporter);
}

/* ---- Requests of a former process ---- */

bool tracer_former_at(const tracer *t, size_t index, spool_former *out)
{
    return spool_former_at(t->spool, index, out);
}

void tracer_forget_former(tracer *t, const uint8_t run[16])
{
    span *p = spool_take_former(t->spool, run);
    if (p) spool_drop(t->spool, p);
}

void tracer_end_former(tracer *t, const uint8_t run[16])
{
    span *p = spool_take_former(t->spool, run);
    if (p) spool_settle(t->spool, p);
}

void tracer_cut_former(tracer *t, const uint8_t run[16])
{
    span *p = spool_take_former(t->spool, run);
    if (p) spool_cut(t->spool, p);
}
