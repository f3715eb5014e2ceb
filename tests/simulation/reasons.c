#include "tests/simulation/reasons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/loop/loop.h"
#include "runtime/run/step_key.h"
#include "tests/simulation/promise.h"
#include "tests/simulation/standing.h"

enum {
    WORD_MAX = 64,
    GRACE_MS = 10000, /* where for long nothing happens timers come late, see epoch.c */
    GATED_MS = 1000   /* after the journal takes writes again, some may not have heard of it */
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

/* Whether it was so at some time since the client asked. Of a run that this process has not had in memory the page
 * knows the time alone, which fits no sleep when the clock was set. */
static bool is_so(const client *c, const run_record *r, const reason *is)
{
    const op_state *s = op_of_path(r, is->path);
    if (strcmp(is->kind, "attempt") == 0) return s && (s->open > 0 || s->ended_ns >= c->asked_ns);
    if (strcmp(is->kind, "retry") == 0) return s && s->begun > 0;
    if (strcmp(is->kind, "sleep") == 0)
        return is->step[0] ? has_sleep(r, is->step) : w->plan.sets_clock || r->begins_ms > 0;
    if (strcmp(is->kind, "signal") == 0) return has_wait(r, is->step);
    if (strcmp(is->kind, "journal") == 0) return w->failed_ns + GATED_MS * MS >= c->asked_ns;
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
    PROMISE("why", is_so(c, r, &is), "run %d: its page says %s %s (%s), and that was not so: %.600s", number(r),
            is.kind, is.step, is.path, strstr(page, "\"why\""));
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

void reasons_look(const sw_app *app)
{
    if (w->journal_fails) w->failed_ns = w->steady_ns;
    for (unsigned i = 0; i < w->run_count; i++) look_at(app, &w->runs[i]);
}
