#include "runtime/admin/runs.h"

#include <assert.h>

#include "runtime/admin/inquiry.h"
#include "runtime/base/problem.h"
#include "runtime/loop/loop.h"
#include "runtime/observe/held.h"
#include "runtime/observe/runs_json.h"
#include "runtime/run/survey.h"

/* Finds out what the run is doing. False: its loop alone could say. */
static bool inquiry_survey(const inquiry *q, const run_id *id, arena *a, survey *now)
{
    unsigned owner = run_id_loop(id, q->home->count);
    if (owner != q->home->index) return held_look(q->home->app, id, a, now);
    survey_take(q->home, id, a, now);
    return true;
}

static void run_on_loaded(void *arg, store_journal *j, size_t count)
{
    inquiry *q = arg;
    assert(count == 1);
    (void)count;
    if (j->error == store_no_memory) {
        inquiry_refuse_memory(q);
        return;
    }
    if (!j->found && !j->live) {
        if (j->error)
            inquiry_refuse(q, 503, j->error, "5");
        else
            inquiry_refuse(q, 404, "no such run", NULL);
        return;
    }
    json_writer w;
    json_writer_init(&w, q->home->arenas);
    survey now;
    bool is_known = inquiry_survey(q, &j->run, &w.arena, &now);
    runs_json_run(&w, q->home->app, &(run_page){.journal = j, .now = is_known ? &now : NULL});
    inquiry_answer(q, &w);
}

void runs_answer_one(home *h, http_exchange *x, const run_id *id)
{
    if (!h->port) {
        problem_reply(x, 404, "no such run", NULL);
        return;
    }
    inquiry *q = inquiry_new(h, x, sizeof *q);
    if (q && !store_load(h->port, id, 1, run_on_loaded, q)) inquiry_refuse_memory(q);
}
