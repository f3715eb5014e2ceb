#include "runtime/check/check_program.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "runtime/check/check_page.h"
#include "runtime/check/judge.h"
#include "runtime/check/shelf.h"
#include "runtime/probe/tape.h"
#include "runtime/process/app.h"

enum { GOOD = 0, BAD = 1, NOT_CHECKED = 2, ERROR_TEXT = 1024 };

static check_verdict run_is_unreadable(arena *a, const char *why)
{
    const char *text = arena_strndup(a, why, strlen(why));
    return (check_verdict){CHECK_UNREADABLE, "", "", text ? text : "out of memory"};
}

static check_verdict run_execute(sw_app *app, const checked_run *r, arena *a)
{
    char error[ERROR_TEXT];
    execution x;
    tape none = {.cells = NULL};
    const disk_run on_disk = {r->id, LINEAGE_ROOT, LINEAGE_ROOT, r->journal.data, r->journal.size};
    const execution_input input = {.plan = {.checks = true, .tape = &none},
                                   .disk = {.runs = &on_disk, .run_count = 1},
                                   .openings = 1,
                                   .is_quiet = strcmp(app->opt.log_level, "debug") != 0};
    check_verdict v = execution_make(app, &input, &x, error, sizeof error) ? judge_execution(r, &x, app->redact, a)
                                                                           : run_is_unreadable(a, error);
    execution_free(&x);
    return v;
}

static check_verdict run_check(sw_app *app, const shelf_run *of, checked_run *r, arena *a)
{
    const char *error = NULL;
    if (of->error.len > 0) {
        const char *why = arena_strndup(a, of->error.data, of->error.len);
        return run_is_unreadable(a, why ? why : "");
    }
    if (!checked_run_read(r, a, &of->id, of->journal, &error)) return run_is_unreadable(a, error);
    const entry *e = r->started;
    if (app_endpoint(app, e->function.data, e->function.len)) return run_execute(app, r, a);
    const char *route = arena_printf(a, "the endpoint \"%.*s\"", (int)e->function.len, e->function.data);
    return (check_verdict){CHECK_DIFFERS, "", route ? route : "its endpoint", "a program that has no such endpoint"};
}

static void check_one(sw_app *app, const shelf_run *of, check_page *page)
{
    char id[RUN_ID_TEXT + 1];
    checked_run r = {.started = NULL};
    arena a;
    arena_init(&a, NULL);
    run_id_format(&of->id, id);
    check_verdict v = run_check(app, of, &r, &a);
    check_page_add(page, id, of->is_live, r.started, &v);
    checked_run_free(&r);
    arena_free(&a);
}

static int check_fails(const sw_app *app, const char *why)
{
    (void)fprintf(stderr, "%s: --check: %s\n", app->name, why);
    return NOT_CHECKED;
}

int check_main(sw_app *app)
{
    char error[ERROR_TEXT];
    const sw_options *o = &app->opt;
    shelf s;
    shelf_run run;
    check_page page;
    if (!o->check) return check_fails(app, "--check-json goes with --check DIR");
    if (o->prove) return check_fails(app, "--prove and --check are two things: ask for one of them");
    assert(!probe_on); /* this process does not serve: its children do */
    if (!shelf_open(&s, o->check, o->check_ended, error, sizeof error)) {
        shelf_close(&s);
        return check_fails(app, error);
    }
    check_page_init(&page, stdout, o->check_json);
    while (shelf_take(&s, &run, error, sizeof error)) check_one(app, &run, &page);
    size_t differ = page.runs[CHECK_DIFFERS], unreadable = page.runs[CHECK_UNREADABLE];
    check_page_end(&page);
    shelf_close(&s);
    if (*error) return check_fails(app, error);
    return differ > 0 ? BAD : unreadable > 0 ? NOT_CHECKED : GOOD;
}
