#include "tests/simulation/reasons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/loop/loop.h"
#include "runtime/observe/forks_json.h"
#include "runtime/observe/runs_json.h"
#include "runtime/run/step_key.h"
#include "runtime/run/survey.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/promise.h"
#include "tests/simulation/standing.h"

enum {
    WORD_MAX = 64,
    GRACE_MS = 10000, /* where for long nothing happens timers come late, see epoch.c */
    GATED_MS = 1000,  /* after the journal takes writes again, some may not have heard of it */
    LOOK_TURNS = 16   /* each live run is looked at in one of so many turns */
};
static const int64_t MS = 1000000;

/* What a page says. */
typedef struct reason {
    char kind[WORD_MAX], step[WORD_MAX], path[WORD_MAX], stop[WORD_MAX];
    int64_t until_ms; /* 0: nothing of it */
} reason;

static int number(const run_record *r) { return (int)(r - w->runs); }

/* Copies what stands between `name` and the next of `ends`, of the text before `end`. */
static void take_word(const char *from, const char *end, const char *name, const char *ends, char to[WORD_MAX])
{
    const char *at = strstr(from, name);
    to[0] = 0;
    if (!at || at > end) return;
    at += strlen(name);
    (void)snprintf(to, WORD_MAX, "%.*s", (int)strcspn(at, ends), at);
}

/* False: the page gives no reason. */
static bool read_reason(const char *page, reason *is)
{
    char until[WORD_MAX];
    const char *from = strstr(page, ",\"why\":{"), *end = from ? strchr(from, '}') : NULL;
    if (!end) return false;
    take_word(from, end, "\"kind\":\"", "\"", is->kind);
    take_word(from, end, "\"step\":\"", "\"", is->step);
    take_word(from, end, "\"path\":\"", "\"", is->path);
    take_word(from, end, "\"until\":", ",}", until);
    take_word(from, end, "\"text\":\"stopped (", ")", is->stop);
    is->until_ms = strtoll(until, NULL, 10);
    return true;
}

/* The operation with that path; NULL: no attempt of such a step has begun. */
static const op_state *op_of_path(const run_record *r, const char *path)
{
    char key[STEP_KEY_TEXT + 1];
    run_id id;
    if (!run_id_parse(r->id, strlen(r->id), &id)) return NULL;
    step_key(&id, strtoull(path, NULL, 16), key);
    for (int i = 0; i < OPS_MAX; i++)
        if (strcmp(r->ops[i].key, key) == 0) return &r->ops[i];
    return NULL;
}

static bool has_sleep(const run_record *r, const char *id)
{
    const job *j = &w->jobs[r->job];
    for (unsigned i = 0; i < j->op_count; i++)
        if ((j->ops[i].kind == OP_SLEEP || j->ops[i].kind == OP_UNTIL) && strcmp(j->ops[i].id, id) == 0) return true;
    return false;
}

static bool has_wait(const run_record *r, const char *id)
{
    const job *j = &w->jobs[r->job];
    for (unsigned i = 0; i < j->op_count; i++)
        if (j->ops[i].kind == OP_WAIT && strcmp(j->ops[i].id, id) == 0) return true;
    return false;
}

/* Whether it has called a run whose result it waits for. */
static bool has_called(const run_record *r)
{
    for (unsigned i = 0; i < w->run_count; i++)
        if (w->runs[i].caller == (unsigned)number(r) + 1 && w->runs[i].is_awaited) return true;
    return false;
}

/* Whether it was so at some time since then. Of a run that this process has not had in memory the page knows the time
 * alone, which fits no sleep when the clock was set. */
static bool is_so(int64_t asked_ns, const run_record *r, const reason *is)
{
    const op_state *s = op_of_path(r, is->path);
    if (strcmp(is->kind, "attempt") == 0) return s && (s->open > 0 || s->ended_ns >= asked_ns);
    if (strcmp(is->kind, "retry") == 0) return s && s->begun > 0;
    if (strcmp(is->kind, "sleep") == 0 && strcmp(is->step, "its beginning") == 0) return r->begins_ms > 0;
    if (strcmp(is->kind, "sleep") == 0)
        return is->step[0] ? has_sleep(r, is->step) : w->plan.sets_clock || r->begins_ms > 0;
    if (strcmp(is->kind, "signal") == 0) return has_wait(r, is->step);
    if (strcmp(is->kind, "call") == 0) return has_called(r);
    if (strcmp(is->kind, "journal") == 0) return w->failed_ns + GATED_MS * MS >= asked_ns;
    if (strcmp(is->kind, "stopped") == 0) return standing_is_named(r, r->job, is->stop, strlen(is->stop));
    return true;
}

/* What has happened to the run, as a number that only grows. */
static uint64_t moves_of(const run_record *r)
{
    uint64_t n = (uint64_t)r->entries + r->executions + r->moves;
    for (unsigned i = 0; i < OPS_MAX; i++) n += r->ops[i].begun;
    return n;
}

/* Nothing but the clock decides when it moves. */
static bool is_calm(void) { return w->plan.epoch[w->epoch].event_count == 0; }

void reasons_told(const client *c, run_record *r, const char *page)
{
    reason is;
    if (!read_reason(page, &is) || !r->on_disk) return;
    world_note("client %d is told of run %d: %s %s %s", (int)(c - w->clients), number(r), is.kind, is.step, is.path);
    PROMISE("why", is_so(c->asked_ns, r, &is), "run %d: its page says %s %s (%s), and that was not so: %.600s",
            number(r), is.kind, is.step, is.path, strstr(page, "\"why\""));
    int64_t due_ns = (is.until_ms - w->ahead_ms) * MS;
    bool waits = strcmp(is.kind, "retry") == 0 || strcmp(is.kind, "sleep") == 0 || strcmp(is.kind, "deadline") == 0;
    if (!waits || !is_calm() || due_ns <= w->steady_ns || r->entries != c->entries_before) return;
    r->told_due_ns = due_ns;
    r->told_moves = moves_of(r);
}

/* It is not in memory, and no longer waits for its time. */
static bool has_woken(const sw_app *app, const run_record *r)
{
    run_id id;
    if (!run_id_parse(r->id, strlen(r->id), &id)) return false;
    const slot *s = slot_find(&app->loops[run_id_loop(&id, app->loop_count)].home.slots, &id);
    return !s || (s->state != SLOT_PARKED && s->state != SLOT_RUNNING);
}

static void look_at(const sw_app *app, run_record *r)
{
    if (r->told_due_ns == 0) return;
    bool moved = moves_of(r) != r->told_moves;
    if (!moved && w->steady_ns < r->told_due_ns + GRACE_MS * MS) return;
    bool leaves = app->loops[0].home.draining || !is_calm();
    PROMISE("why", moved || leaves || r->ended || has_woken(app, r),
            "run %d: its page has named a time, which was %lld ms ago, and it has not moved", number(r),
            (long long)((w->steady_ns - r->told_due_ns) / MS));
    w->met[MET_WHY] += moved && w->steady_ns >= r->told_due_ns;
    r->told_due_ns = 0;
}

/* The page of the run as it would be at this moment: the caller frees it. */
static char *page_of(sw_app *app, const run_record *r)
{
    static const shown_forks none;
    store_journal j;
    survey now;
    json_writer page;
    disk_journal(r, &j);
    json_writer_init(&page, NULL);
    survey_take(&app->loops[run_id_loop(&j.run, app->loop_count)].home, &j.run, &page.arena, &now);
    runs_json_run(&page, app, &(run_page){.journal = &j, .now = &now, .forks = &none});
    char *text = page.is_short ? NULL : strndup(page.out.data, page.out.size);
    json_writer_free(&page);
    free(j.data);
    return text;
}

/* What the page of a live run says is so, whether or not somebody asks. */
static void look_at_page(sw_app *app, const run_record *r)
{
    reason is;
    if (!r->on_disk || r->ended) return;
    char *page = page_of(app, r);
    bool has_ended = page && strstr(page, ",\"endedAt\":"); /* by a write of which nobody knows what became of it */
    if (!page || has_ended) {
        free(page);
        return;
    }
    bool has_reason = read_reason(page, &is);
    PROMISE("why", has_reason, "run %d lives, and its page gives no reason: %.600s", number(r), page);
    PROMISE("why", is_so(w->steady_ns, r, &is), "run %d: its page would say %s %s (%s), and that is not so: %.600s",
            number(r), is.kind, is.step, is.path, strstr(page, "\"why\""));
    w->met[MET_WHY_LOOKED]++;
    free(page);
}

void reasons_look(sw_app *app)
{
    static unsigned turn;
    if (w->journal_fails) w->failed_ns = w->steady_ns;
    for (unsigned i = 0; i < w->run_count; i++) look_at(app, &w->runs[i]);
    turn++;
    for (unsigned i = turn % LOOK_TURNS; i < w->run_count; i += LOOK_TURNS) look_at_page(app, &w->runs[i]);
}
