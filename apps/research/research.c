/* The deep-research agent: its endpoints, each one straight line of steps. docs/research.md says what clients see. */
#include <stdio.h>
#include <time.h>

#include "apps/research/embedded.h"
#include "apps/research/findings.h"
#include "apps/research/list.h"
#include "apps/research/model.h"
#include "apps/research/patience.h"
#include "apps/research/progress.h"
#include "apps/research/question.h"
#include "apps/research/settings.h"
#include "apps/research/steps.h"
#include "apps/research/usage.h"

/* A level may have LEVEL_QUERIES_MAX queries, and services have rate limits. */
enum { QUERIES_AT_ONCE = 16 };

/* A service that is down for longer than the retries of patience.h last stops a research, and its client may release
 * it: what it has paid for is not lost. */
static const sw_endpoint_options stopping = {.on_exhausted = SW_STOP};

static void refuse_question(sw_ctx *c, const char *why) { sw_reply_json(c, 400, sw_map(c, "error", sw_str(c, why))); }

/* The day (UTC) of a point in time. */
static sw_value day_of(sw_ctx *c, int64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm day;
    if (!gmtime_r(&seconds, &day)) sw_fail_fatal(c, "the clock shows no day");
    return sw_strf(c, "%04d-%02d-%02d", day.tm_year + 1900, day.tm_mon + 1, day.tm_mday);
}

/* ---- The levels ---- */

static bool is_known(sw_value urls, sw_value url)
{
    for (size_t i = 0; i < sw_len(urls); i++)
        if (sw_equal(sw_at(urls, i), url)) return true;
    return false;
}

static void tell_nothing(sw_ctx *c, sw_value input, const char *why)
{
    sw_value news = step_news(c, "nothing", input);
    sw_set(c, &news, "why", sw_str(c, why));
    sw_push_chunk(c, news);
}

/* A branch: one query of a level, its search, then what the new sources teach. Waits for no other query. */
static sw_value follow_query(sw_ctx *c, sw_value input)
{
    const char *id = step_text(c, input, "id");
    sw_value asked = sw_map(c, "id", sw_get(input, "id"), "query", sw_get(input, "query"), "depth",
                            sw_get(input, "depth"), "fault", sw_get(input, "fault"));
    sw_value found = patience_step(c, sw_printf(c, "search-%s", id), step_search, asked);
    sw_value all = sw_get(found, "sources"), fresh = sw_array(c, 0), shown = sw_array(c, 0);
    for (size_t i = 0; i < sw_len(all); i++) {
        sw_value s = sw_at(all, i);
        if (is_known(sw_get(input, "known"), sw_get(s, "url"))) continue;
        sw_push(c, &fresh, s);
        sw_push(c, &shown, source_shown(c, s));
    }
    sw_value usage = sw_get(found, "usage");
    if (sw_len(fresh) == 0) {
        tell_nothing(c, input, sw_len(all) == 0 ? "found" : "new");
        return sw_map(c, "usage", usage);
    }
    static const char *const more[] = {"topic", "today", "followUps", "digest"};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) sw_set(c, &asked, more[i], sw_get(input, more[i]));
    sw_set(c, &asked, "sources", fresh);
    sw_value answer = patience_step(c, sw_printf(c, "learn-%s", id), step_learn, asked);
    usage_add(c, &usage, sw_get(answer, "usage"));
    return sw_map(c, "sources", shown, "answer", answer, "usage", usage);
}

static sw_value follow_queries(sw_ctx *c, const question *q, const findings *f, sw_value queries, sw_value common)
{
    sw_group *level = sw_group_new_with(c, &(sw_group_options){.parallel_max = QUERIES_AT_ONCE});
    sw_set(c, &common, "topic", q->topic);
    sw_set(c, &common, "fault", q->fault);
    sw_set(c, &common, "digest", findings_digest(c, f));
    sw_set(c, &common, "known", findings_urls(c, f));
    for (size_t i = 0; i < sw_len(queries); i++) {
        sw_value id = sw_get(sw_at(queries, i), "id");
        sw_set(c, &common, "id", id);
        sw_set(c, &common, "query", sw_get(sw_at(queries, i), "query"));
        sw_group_branch(level, sw_printf(c, "query-%s", sw_cstr(c, id)), follow_query, common);
    }
    return sw_group_wait(level);
}

static void research_levels(sw_ctx *c, const question *q, sw_value day, sw_value queries, findings *f)
{
    int64_t breadth = q->breadth;
    for (int64_t depth = 1; depth <= q->depth && sw_len(queries) > 0; depth++) {
        int64_t follow_ups = depth < q->depth ? (breadth + 1) / 2 : 0;
        size_t known = sw_len(f->sources);
        queries = findings_begin_level(c, f, queries, depth);
        progress_say_level(c, depth, q->depth, queries, f->sources);
        sw_push_chunk(c, sw_map(c, "type", sw_str(c, "level"), "depth", sw_int(depth), "of", sw_int(q->depth),
                                "queries", queries));
        sw_value common = sw_map(c, "depth", sw_int(depth), "today", day, "followUps", sw_int(follow_ups));
        sw_value answers = follow_queries(c, q, f, queries, common);
        queries = findings_end_level(c, f, queries, answers, follow_ups);
        sw_push_chunk(c, sw_map(c, "type", sw_str(c, "numbered"), "depth", sw_int(depth), "sources",
                                list_from(c, f->sources, known)));
        breadth = follow_ups;
    }
}

/* ---- Endpoints ---- */

static void on_clarify(sw_ctx *c)
{
    question q = question_of(c, ASKS_TOPIC);
    if (q.wrong) {
        refuse_question(c, q.wrong);
        return;
    }
    sw_value input = sw_map(c, "topic", q.topic, "today", day_of(c, sw_now(c)));
    sw_reply_json(c, 200, sw_step(c, "generate-clarifications", step_clarify, input));
}

static sw_value queries_step_input(sw_ctx *c, const question *q, sw_value day)
{
    return sw_map(c, "topic", q->topic, "today", day, "clarifications", q->clarifications, "breadth",
                  sw_int(q->breadth));
}

/* What a research asks for if every query leads to as many others as it may. */
static sw_value most_of(sw_ctx *c, int64_t depth, int64_t breadth, int64_t queries)
{
    int64_t searches = 0;
    for (; depth > 0; depth--) {
        searches += queries;
        breadth = (breadth + 1) / 2;
        queries *= breadth;
        if (queries > LEVEL_QUERIES_MAX) queries = LEVEL_QUERIES_MAX;
    }
    return sw_map(c, "searches", sw_int(searches), "modelCalls", sw_int(searches + 1));
}

static void on_plan(sw_ctx *c)
{
    question q = question_of(c, ASKS_PLAN);
    if (q.wrong) {
        refuse_question(c, q.wrong);
        return;
    }
    sw_value plan = sw_step(c, "generate-queries", step_queries, queries_step_input(c, &q, day_of(c, sw_now(c))));
    sw_value queries = sw_get(plan, "queries");
    sw_reply_json(c, 200,
                  sw_map(c, "topic", q.topic, "depth", sw_int(q.depth), "breadth", sw_int(q.breadth), "queries",
                         queries, "most", most_of(c, q.depth, q.breadth, (int64_t)sw_len(queries)), "usage",
                         sw_get(plan, "usage")));
}

static sw_value first_queries(sw_ctx *c, const question *q, sw_value day, findings *f)
{
    if (!sw_is_nil(q->queries)) return q->queries;
    progress_say(c, "planning");
    sw_value plan = patience_step(c, "generate-queries", step_queries, queries_step_input(c, q, day));
    usage_add(c, &f->usage, sw_get(plan, "usage"));
    return sw_get(plan, "queries");
}

static sw_value write_report(sw_ctx *c, const question *q, sw_value day, findings *f)
{
    sw_value input =
        sw_map(c, "topic", q->topic, "today", day, "clarifications", q->clarifications, "learnings", f->learnings,
               "doubts", f->doubts, "notes", f->notes, "sources", f->sources, "fault", q->fault);
    progress_say(c, "writing");
    sw_value report = patience_step(c, "generate-report", step_report, input);
    usage_add(c, &f->usage, sw_get(report, "usage"));
    return report;
}

static void on_research(sw_ctx *c)
{
    question q = question_of(c, ASKS_RESEARCH);
    if (q.wrong) {
        refuse_question(c, q.wrong);
        return;
    }
    progress_begin(c, &q);
    int64_t now_ms = sw_now(c);
    sw_value day = day_of(c, now_ms), model = sw_str(c, research_settings.model);
    sw_push_chunk(c, sw_map(c, "type", sw_str(c, "begun"), "researchId", q.research_id, "topic", q.topic, "depth",
                            sw_int(q.depth), "breadth", sw_int(q.breadth), "startedAt", sw_int(now_ms), "date", day,
                            "provider", sw_str(c, model_provider()), "model", model));
    findings f = findings_new(c);
    research_levels(c, &q, day, first_queries(c, &q, day, &f), &f);
    sw_value report = write_report(c, &q, day, &f);
    progress_say(c, "ended");
    sw_push_chunk(c, sw_map(c, "type", sw_str(c, "ended"), "endedAt", sw_int(sw_now(c))));
    sw_reply_json(c, 200,
                  sw_map(c, "success", sw_bool(true), "researchId", q.research_id, "topic", q.topic, "date", day,
                         "model", model, "report", sw_get(report, "report"), "sources", f.sources, "learnings",
                         f.learnings, "doubts", f.doubts, "queries", f.queries, "insights", sw_get(report, "insights"),
                         "usage", f.usage));
}

static sw_value limits_value(sw_ctx *c, int64_t most, int64_t fallback)
{
    return sw_map(c, "least", sw_int(1), "most", sw_int(most), "default", sw_int(fallback));
}

static void on_about(sw_ctx *c)
{
    const settings *s = &research_settings;
    bool priced = s->price_input >= 0 && s->price_output >= 0;
    sw_value prices =
        priced ? sw_map(c, "input", sw_double(s->price_input), "output", sw_double(s->price_output)) : sw_nil();
    sw_reply_json(c, 200,
                  sw_map(c, "provider", sw_str(c, model_provider()), "model", sw_str(c, s->model), "depth",
                         limits_value(c, DEPTH_MAX, DEPTH_DEFAULT), "breadth",
                         limits_value(c, BREADTH_MAX, BREADTH_DEFAULT), "topicMax", sw_int(TOPIC_CHARACTERS_MAX),
                         "queryMax", sw_int(QUERY_CHARACTERS_MAX), "queriesMax", sw_int(BREADTH_MAX), "levelQueriesMax",
                         sw_int(LEVEL_QUERIES_MAX), "prices", prices));
}

static const char *on_start(sw_app *app, void *unused)
{
    const char *objection = settings_read(app, unused), *folder = sw_flag_value(app, "page");
    if (objection) return objection;
    if (folder)
        sw_static(app, "/", folder);
    else
        embedded_serve(app);
    return NULL;
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("research");
    sw_flag(app, "page", "DIR", NULL, "serve the page from this folder, not from the program");
    settings_declare(app);
    static const struct {
        const char *path;
        sw_handler handler;
        const sw_endpoint_options *options;
    } endpoints[] = {{"/api/research/clarify", on_clarify, NULL},
                     {"/api/research/plan", on_plan, NULL},
                     {"/api/research", on_research, &stopping}};
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        static const char *const methods[] = {"GET", "POST"};
        for (size_t k = 0; k < 2; k++) {
            char route[64];
            (void)snprintf(route, sizeof route, "%s %s", methods[k], endpoints[i].path);
            sw_endpoint(app, route, endpoints[i].handler, endpoints[i].options);
        }
    }
    sw_route(app, "GET /api/research/about", on_about);
    sw_on_start(app, on_start, NULL);
    return sw_main(app, argc, argv);
}
