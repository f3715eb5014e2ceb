#include "runtime/check/check_page.h"

#include <string.h>

#include "runtime/base/json_writer.h"

void check_page_init(check_page *p, FILE *to, bool as_json)
{
    *p = (check_page){.to = to, .as_json = as_json};
    p->end = &p->groups;
    arena_init(&p->memory, NULL);
}

static const char *kind_name(check_kind kind)
{
    static const char *const names[] = {[CHECK_OK] = "ok",
                                        [CHECK_NEW_STEP] = "new step",
                                        [CHECK_DIFFERS] = "differs",
                                        [CHECK_UNREADABLE] = "unreadable"};
    return names[kind];
}

/* ---- JSON ---- */

static void page_write_json(const check_page *p, json_writer *w)
{
    json_put_newline(w);
    (void)fwrite(w->out.data, 1, w->out.size, p->to);
    json_writer_free(w);
}

static void json_put_present(json_writer *w, const char *name, const char *text)
{
    if (*text) json_put_text(w, name, text);
}

static void page_print_run(const check_page *p, const check_group *g, bool is_live)
{
    json_writer w;
    json_writer_init(&w, NULL);
    json_open_map(&w, NULL);
    json_put_text(&w, "runId", g->run);
    json_put_text(&w, "endpoint", g->endpoint);
    json_put_text(&w, "version", g->version);
    json_put_text(&w, "state", is_live ? "live" : "ended");
    json_put_text(&w, "verdict", kind_name(g->verdict.kind));
    json_put_present(&w, "at", g->verdict.at);
    json_put_present(&w, "expected", g->verdict.expected);
    json_put_present(&w, "got", g->verdict.got);
    json_close_map(&w);
    page_write_json(p, &w);
}

static void page_print_sum(const check_page *p, size_t all)
{
    json_writer w;
    json_writer_init(&w, NULL);
    json_open_map(&w, NULL);
    json_put_int(&w, "runs", (int64_t)all);
    json_put_int(&w, "live", (int64_t)p->live);
    json_put_int(&w, "ok", (int64_t)p->runs[CHECK_OK]);
    json_put_int(&w, "newStep", (int64_t)p->runs[CHECK_NEW_STEP]);
    json_put_int(&w, "differs", (int64_t)p->runs[CHECK_DIFFERS]);
    json_put_int(&w, "unreadable", (int64_t)p->runs[CHECK_UNREADABLE]);
    json_close_map(&w);
    page_write_json(p, &w);
}

/* ---- Text ---- */

static const char *page_copy(check_page *p, const char *text)
{
    const char *copy = arena_strndup(&p->memory, text, strlen(text));
    return copy ? copy : "";
}

static check_group *page_group(const check_page *p, const check_group *like)
{
    for (check_group *g = p->groups; g; g = g->next)
        if (g->verdict.kind == like->verdict.kind && strcmp(g->endpoint, like->endpoint) == 0 &&
            strcmp(g->version, like->version) == 0 && strcmp(g->verdict.at, like->verdict.at) == 0)
            return g;
    return NULL;
}

static void page_count(check_page *p, const check_group *run)
{
    check_group *g = page_group(p, run);
    if (!g && (g = arena_zalloc(&p->memory, sizeof *g))) {
        *g = (check_group){.endpoint = page_copy(p, run->endpoint),
                           .version = page_copy(p, run->version),
                           .run = page_copy(p, run->run),
                           .verdict = {run->verdict.kind, page_copy(p, run->verdict.at),
                                       page_copy(p, run->verdict.expected), page_copy(p, run->verdict.got)}};
        *p->end = g;
        p->end = &g->next;
    }
    if (g) g->count++;
}

static void page_print_group(const check_page *p, const check_group *g)
{
    static const char *const words[] = {[CHECK_NEW_STEP] = "stops at a new step",
                                        [CHECK_DIFFERS] = "differs",
                                        [CHECK_UNREADABLE] = "cannot be checked"};
    const check_verdict *v = &g->verdict;
    (void)fprintf(p->to, "%s%s", *g->endpoint ? g->endpoint : "a run", *g->version ? " version " : "");
    (void)fprintf(p->to, "%s: %s", g->version, words[v->kind]);
    if (*v->at) (void)fprintf(p->to, " at %s", v->at);
    if (v->kind == CHECK_DIFFERS && *v->expected) (void)fprintf(p->to, ": expected %s, got %s", v->expected, v->got);
    if ((v->kind == CHECK_DIFFERS && !*v->expected) || v->kind == CHECK_UNREADABLE)
        (void)fprintf(p->to, ": %s", v->got);
    (void)fprintf(p->to, "\n    %zu run%s: %s%s\n", g->count, g->count == 1 ? "" : "s", g->run,
                  g->count == 1 ? "" : ", ...");
}

/* ---- Both ---- */

void check_page_add(check_page *p, const char *run, bool is_live, const entry *started, const check_verdict *v)
{
    arena a;
    arena_init(&a, NULL);
    const char *endpoint = started ? arena_strndup(&a, started->function.data, started->function.len) : "";
    const char *version = started ? arena_strndup(&a, started->version.data, started->version.len) : "";
    const check_group one = {
        .endpoint = endpoint ? endpoint : "", .version = version ? version : "", .run = run, .verdict = *v};
    p->runs[v->kind]++;
    p->live += is_live;
    if (p->as_json)
        page_print_run(p, &one, is_live);
    else if (v->kind != CHECK_OK)
        page_count(p, &one);
    arena_free(&a);
}

void check_page_end(check_page *p)
{
    size_t all = 0;
    for (unsigned kind = 0; kind < CHECK_KINDS; kind++) all += p->runs[kind];
    for (const check_group *g = p->groups; g; g = g->next) page_print_group(p, g);
    if (p->as_json)
        page_print_sum(p, all);
    else
        (void)fprintf(p->to, "%zu live and %zu ended runs: %zu ok, %zu at a new step, %zu differ", p->live,
                      all - p->live, p->runs[CHECK_OK], p->runs[CHECK_NEW_STEP], p->runs[CHECK_DIFFERS]);
    if (!p->as_json && p->runs[CHECK_UNREADABLE] > 0)
        (void)fprintf(p->to, ", %zu cannot be checked", p->runs[CHECK_UNREADABLE]);
    if (!p->as_json) (void)fputc('\n', p->to);
    (void)fflush(p->to);
    arena_free(&p->memory);
}
