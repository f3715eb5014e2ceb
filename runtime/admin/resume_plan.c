#include "runtime/admin/resume_plan.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/admin/inquiry.h"
#include "runtime/base/json_writer.h"
#include "runtime/observe/fold.h"
#include "runtime/run/reopen.h"

enum { RUNS_MAX = 1000, PATH_DIGITS = 16 };

/* A request whose runs are being read. */
typedef struct plan_request {
    inquiry base;
    json_writer w;
    run_id *runs; /* those to be read, in the order in which they were found; owned */
    size_t count, at;
    bool has_more; /* than RUNS_MAX */
} plan_request;

static void plan_read_next(plan_request *q);

/* False: no memory. */
static bool plan_add(plan_request *q, entry_text child)
{
    if (child.len != RUN_ID_BYTES) return true;
    q->has_more = q->has_more || q->count == RUNS_MAX;
    if (q->has_more) return true;
    run_id *bigger = realloc(q->runs, (q->count + 1) * sizeof *bigger);
    if (!bigger) return false;
    q->runs = bigger;
    memcpy(q->runs[q->count++].bytes, child.data, RUN_ID_BYTES);
    return true;
}

static void plan_free(plan_request *q)
{
    free(q->runs);
    q->runs = NULL;
}

static void plan_end(plan_request *q)
{
    json_close_array(&q->w);
    if (q->has_more) json_put_bool(&q->w, "more", true);
    json_close_map(&q->w);
    plan_free(q);
    json_writer w = q->w;
    inquiry_answer(&q->base, &w);
}

static void plan_refuse(plan_request *q, int status, const char *why)
{
    plan_free(q);
    json_writer_free(&q->w);
    inquiry_refuse(&q->base, status, why, status == 503 ? "1" : NULL);
}

/* ---- One run ---- */

static void put_step(json_writer *w, const fold_step *s)
{
    char path[PATH_DIGITS + 1], child[RUN_ID_TEXT + 1];
    run_id id;
    const bool is_call = s->function.len > 0;
    (void)snprintf(path, sizeof path, "%016llx", (unsigned long long)s->path);
    json_open_map(w, NULL);
    json_put_text(w, "kind", is_call ? "call" : s->is_sleep ? "sleep" : s->signal.len > 0 ? "wait" : "step");
    json_put_text(w, "path", path);
    json_put_bytes(w, "id", s->id.data, s->id.len);
    if (s->occurrence) json_put_int(w, "occurrence", s->occurrence);
    if (is_call) json_put_bytes(w, "function", s->function.data, s->function.len);
    if (is_call && s->child.len == sizeof id.bytes) {
        memcpy(id.bytes, s->child.data, sizeof id.bytes);
        run_id_format(&id, child);
        json_put_text(w, "child", child);
    }
    json_close_map(w);
}

/* Whether the run at hand is resumed. */
typedef struct plan_state {
    const char *name; /* of what keeps it from that; NULL: it is resumed */
    const char *why;  /* a sentence, of those that have ended without success; else NULL */
    bool is_short;    /* there was no memory to see that */
} plan_state;

static plan_state plan_judge(const home *h, arena *a, const store_journal *j, const fold *f)
{
    plan_state is = {.name = NULL};
    if (j->error) return (plan_state){.name = "unreadable"}; /* whether it is there is not known either */
    if (!j->found) return (plan_state){.name = "gone"};
    if (j->live) return (plan_state){.name = "live"};
    if (f->ended.kind && f->ended.status == ENTRY_SUCCEEDED) return (plan_state){.name = "succeeded"};
    is.why = reopen_objection(h, a, (entry_text){j->data, j->len}, &is.is_short);
    if (is.why) is.name = f->ended.kind ? "unfit" : "unreadable";
    return is;
}

/* False: no memory. */
static bool plan_put_run(plan_request *q, const fold *f, const plan_state *is)
{
    char id[RUN_ID_TEXT + 1];
    bool ok = true;
    run_id_format(&q->runs[q->at], id);
    json_open_map(&q->w, NULL);
    json_put_text(&q->w, "runId", id);
    if (is->name) json_put_text(&q->w, "state", is->name);
    if (is->why) json_put_text(&q->w, "detail", is->why);
    json_open_array(&q->w, "again");
    for (const fold_step *s = is->name ? NULL : f->steps; s && ok; s = s->next) {
        if (fold_step_again(f, s) == FOLD_STAYS) continue;
        put_step(&q->w, s);
        if (s->function.len > 0) ok = plan_add(q, s->child);
    }
    json_close_array(&q->w);
    json_close_map(&q->w);
    return ok;
}

/* ---- All of them ---- */

/* The first is the one that is to be resumed. */
static bool plan_is_refused(plan_request *q, const store_journal *j, const plan_state *is)
{
    if (q->at > 0 || !is->name) return false;
    if (j->error)
        plan_refuse(q, 503, j->error);
    else if (!j->found)
        plan_refuse(q, 404, "no such run");
    else if (j->live)
        plan_refuse(q, 409, reopen_not_ended);
    else if (is->why)
        plan_refuse(q, 409, is->why);
    else
        plan_refuse(q, 409, reopen_succeeded);
    return true;
}

static void plan_on_journal(void *arg, store_journal *j, size_t count)
{
    plan_request *q = arg;
    arena a;
    fold f;
    assert(count == 1 && q->at < q->count);
    (void)count;
    arena_init(&a, q->base.home->arenas);
    fold_read(&f, &a, j->data, j->found ? j->len : 0);
    const plan_state is = plan_judge(q->base.home, &a, j, &f);
    bool is_short = f.is_short || is.is_short;
    const bool is_refused = !is_short && plan_is_refused(q, j, &is);
    is_short = is_short || (!is_refused && !plan_put_run(q, &f, &is));
    arena_free(&a);
    if (is_refused) return;
    q->at++;
    if (is_short)
        plan_refuse(q, 503, store_no_memory);
    else
        plan_read_next(q);
}

static void plan_read_next(plan_request *q)
{
    if (q->at == q->count)
        plan_end(q);
    else if (!store_load(q->base.home->port, &q->runs[q->at], 1, plan_on_journal, q))
        plan_refuse(q, 503, store_no_memory);
}

void resume_plan_answer(home *h, http_exchange *x, const run_id *id)
{
    plan_request *q = inquiry_new(h, x, sizeof *q);
    if (!q) return;
    json_writer_init(&q->w, h->arenas);
    json_open_map(&q->w, NULL);
    json_open_array(&q->w, "runs");
    if (plan_add(q, (entry_text){(const char *)id->bytes, RUN_ID_BYTES}))
        plan_read_next(q);
    else
        plan_refuse(q, 503, store_no_memory);
}
