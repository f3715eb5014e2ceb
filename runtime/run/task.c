#include "runtime/run/task.h"

#include <assert.h>
#include <string.h>

#include "http/server/server.h"
#include "runtime/base/json.h"
#include "runtime/base/problem.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run/plain.h"
#include "runtime/run/run.h"
#include "runtime/run/strand.h"

size_t task_bytes_max(const home *h) { return (size_t)h->opt->run_state_max * 4; }

void task_init(task *t, home *h, const endpoint *e, run *r)
{
    assert(!r || &r->task == t);
    assert(!r || e->kind == ENDPOINT_DURABLE);
    *t = (task){.home = h, .endpoint = e, .run = r};
    arena_init(&t->arena, h->arenas);
    arena_set_limit(&t->arena, task_bytes_max(h));
    t->response.headers_end = &t->response.headers;
    counter_add(&h->runs.count, 1);
}

void task_free(task *t)
{
    assert(t->strand_count == 0);
    assert(t->busy_count == 0);
    assert(!t->strands);
    assert(t->home->runs.count > 0);
    arena_free(&t->arena);
    counter_add(&t->home->runs.count, -1);
}

_Static_assert(sizeof((task *)0)->label > sizeof " run " + RUN_ID_TEXT, "a label has room for a route and an id");

void task_set_label(task *t)
{
    char *end = t->label + sizeof t->label - sizeof " run " - RUN_ID_TEXT;
    char *at = memccpy(t->label, t->endpoint->route, 0, (size_t)(end - t->label));
    at = at ? at - 1 : end;
    *at = 0;
    assert(!t->run || t->run->id_text[0]); /* a run gets its id before its label */
    if (t->run) (void)stpcpy(stpcpy(at, " run "), t->run->id_text);
}

const char *task_run_id(const task *t) { return t->run ? t->run->id_text : NULL; }

bool task_unwinds(const task *t) { return t->run ? run_unwinds(t->run) : plain_of((task *)(uintptr_t)t)->unwinds; }

void task_unwind(task *t)
{
    for (strand *s = t->strands, *next; s; s = next) {
        next = s->next;
        strand_interrupt(s, INTERRUPT_UNWIND);
    }
}

void task_clock_set(const task *t)
{
    for (strand *s = t->strands; s; s = s->next) {
        bool is_absolute = s->until.absolute;
        for (const open_wait *w = s->standing; w && !is_absolute; w = w->next) is_absolute = w->until.absolute;
        if (is_absolute) strand_wake(s);
    }
}

const char *task_set_problem(task *t, const failure *f)
{
    arena *a = &t->arena;
    assert(f->kind != FAILURE_NONE);
    assert(f->kind != FAILURE_UNWIND);
    arena_set_limit(a, SIZE_MAX); /* the handler has ended, perhaps since its memory was over the limit */
    sw_bytes step = {"null", 4};
    const char *message = f->message ? f->message : "failed";
    bool whole = true;
    if (f->step) {
        sw_value v = {.type = MSGPACK_OBJECT_STR};
        v.via.str.ptr = f->step;
        v.via.str.size = (uint32_t)strlen(f->step);
        whole = json_write(a, v, &step);
    }
    int status = f->status ? f->status : 500;
    const char *members = arena_printf(a, ",\"runId\":\"%s\",\"step\":%.*s,\"attempts\":%d",
                                       t->run ? t->run->id_text : "", (int)step.len, step.data, f->attempts);
    char *body = members ? problem_text(a, status, message, members) : NULL;
    run_header *type = arena_alloc(a, sizeof *type);
    if (!whole || !body || !type) body = NULL; /* no body rather than half of one */
    if (!body && t->run) run_lose_for_memory(t->run);
    if (type) *type = (run_header){"Content-Type", "application/problem+json", NULL};
    t->response =
        (run_response){.status = status, .headers = type, .body = {body ? body : "", body ? strlen(body) : 0}};
    return message;
}
