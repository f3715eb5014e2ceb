/* The deep-research agent: GET /api/research/clarify and GET /api/research, each one straight line of steps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/research/embedded.h"
#include "apps/research/settings.h"
#include "apps/research/steps.h"

enum {
    TOPIC_BYTES_MAX = 2000,
    DEPTH_DEFAULT = 3,
    DEPTH_MAX = 5,
    BREADTH_DEFAULT = 3,
    BREADTH_MAX = 10,
    LEVEL_QUERIES_MAX = 64
};

/* ---- Parameters ---- */

typedef struct question {
    const char *topic, *research_id;
    int64_t depth, breadth;
    sw_value clarifications, fault;
    const char *wrong; /* NULL, or what is wrong with the request */
} question;

static int64_t read_number(sw_ctx *c, question *q, const char *name, int64_t fallback, int64_t most)
{
    const char *text = sw_query(c, name);
    if (!text) return fallback;
    char *end;
    long long n = strtoll(text, &end, 10);
    if (end != text && *end == 0 && n >= 1 && n <= most) return n;
    if (!q->wrong) q->wrong = sw_printf(c, "%s must be a whole number from 1 to %lld", name, (long long)most);
    return fallback;
}

static void read_clarifications(sw_ctx *c, question *q)
{
    const char *text = sw_query(c, "clarifications"), *message;
    q->clarifications = sw_map(c, NULL);
    if (!text || !*text) return;
    if (!sw_json_try(c, text, strlen(text), &q->clarifications, &message)) {
        if (!q->wrong) q->wrong = sw_printf(c, "clarifications is not JSON: %s", message);
    } else if (q->clarifications.type != MSGPACK_OBJECT_MAP && q->clarifications.type != MSGPACK_OBJECT_ARRAY &&
               !q->wrong) {
        q->wrong = "clarifications must be a JSON object of question and answer";
    }
}

static void read_fault(sw_ctx *c, question *q)
{
    const char *kind = sw_query(c, "injectFailure"), *rate = sw_query(c, "failureRate");
    char *end = NULL;
    double share = rate ? strtod(rate, &end) : 1;
    q->fault = sw_nil();
    if (rate && (end == rate || *end || !(share >= 0 && share <= 1)) && !q->wrong)
        q->wrong = "failureRate must be a number from 0 to 1";
    if (kind && *kind && strcmp(kind, "search") != 0 && strcmp(kind, "learn") != 0 && strcmp(kind, "report") != 0 &&
        !q->wrong)
        q->wrong = "injectFailure must be search, learn or report";
    if (rate || (kind && *kind))
        q->fault = sw_map(c, "kind", sw_str(c, kind ? kind : ""), "rate", sw_double(share), NULL);
}

static void read_topic(sw_ctx *c, question *q)
{
    q->topic = sw_query(c, "topic");
    if (!q->topic || q->topic[strspn(q->topic, " \t\r\n")] == 0)
        q->wrong = "topic is missing";
    else if (strlen(q->topic) > TOPIC_BYTES_MAX)
        q->wrong = sw_printf(c, "topic is longer than %d bytes", TOPIC_BYTES_MAX);
}

static question read_question(sw_ctx *c)
{
    question q = {.wrong = NULL};
    read_topic(c, &q);
    q.depth = read_number(c, &q, "depth", DEPTH_DEFAULT, DEPTH_MAX);
    q.breadth = read_number(c, &q, "breadth", BREADTH_DEFAULT, BREADTH_MAX);
    read_clarifications(c, &q);
    read_fault(c, &q);
    const char *id = sw_query(c, "researchId");
    q.research_id = id && *id ? id : sw_run_id(c);
    return q;
}

static void refuse(sw_ctx *c, const char *why) { sw_reply_json(c, 400, sw_map(c, "error", sw_str(c, why), NULL)); }

/* ---- The levels ---- */

/* What has been gathered so far. */
typedef struct findings {
    sw_value sources;   /* [{title, url}], no URL twice: their places are the numbers of the report's citations */
    sw_value learnings; /* [{insight, sourceRationale, connection, query}] */
    sw_value queries;   /* [{query, reasoning, depth}] */
} findings;

/* Names a query in a step's id. FNV-1a, 32 bits. */
static const char *step_id(sw_ctx *c, const char *kind, int64_t depth, sw_value query)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < sw_len(query); i++) h = (h ^ (unsigned char)query.via.str.ptr[i]) * 16777619u;
    return sw_printf(c, "%s-d%lld-%08x", kind, (long long)depth, h);
}

static bool has_url(sw_value sources, sw_value url)
{
    for (size_t i = 0; i < sw_len(sources); i++)
        if (sw_equal(sw_get(sw_at(sources, i), "url"), url)) return true;
    return false;
}

/* The results that no search before has found; in input order, so that a replay decides alike. */
static sw_value take_new_sources(sw_ctx *c, findings *f, sw_value results)
{
    sw_value fresh = sw_array(c, 0);
    for (size_t i = 0; i < sw_len(results); i++) {
        sw_value s = sw_at(results, i), url = sw_get(s, "url");
        if (has_url(f->sources, url)) continue;
        sw_push(c, &f->sources, sw_map(c, "title", sw_get(s, "title"), "url", url, NULL));
        sw_push(c, &fresh, s);
    }
    return fresh;
}

static sw_value search_all(sw_ctx *c, const question *q, sw_value queries, int64_t depth)
{
    sw_group *searches = sw_group_new(c);
    for (size_t i = 0; i < sw_len(queries); i++) {
        sw_value query = sw_get(sw_at(queries, i), "query");
        sw_value input = sw_map(c, "query", query, "depth", sw_int(depth), "fault", q->fault, NULL);
        sw_group_step(searches, step_id(c, "search", depth, query), step_search, input);
    }
    return sw_group_wait(searches);
}

/* An answer for each query that brought new sources. */
static sw_value learn_all(sw_ctx *c, const question *q, findings *f, sw_value queries, sw_value results, int64_t depth,
                          int64_t follow_ups)
{
    sw_group *learning = sw_group_new(c);
    for (size_t i = 0; i < sw_len(queries); i++) {
        sw_value query = sw_get(sw_at(queries, i), "query"), fresh = take_new_sources(c, f, sw_at(results, i));
        if (sw_len(fresh) == 0) continue;
        sw_value input = sw_map(c, "topic", sw_str(c, q->topic), "query", query, "depth", sw_int(depth), "breadth",
                                sw_int(follow_ups), "sources", fresh, "fault", q->fault, NULL);
        sw_group_step(learning, step_id(c, "learn", depth, query), step_learn, input);
    }
    return sw_group_wait(learning);
}

static bool was_asked(const findings *f, sw_value queries, sw_value query)
{
    for (size_t i = 0; i < sw_len(f->queries); i++)
        if (sw_equal(sw_get(sw_at(f->queries, i), "query"), query)) return true;
    for (size_t i = 0; i < sw_len(queries); i++)
        if (sw_equal(sw_get(sw_at(queries, i), "query"), query)) return true;
    return false;
}

/* Keeps what was learned; returns what to ask at the next level. */
static sw_value gather(sw_ctx *c, findings *f, sw_value answers, int64_t follow_ups_max)
{
    sw_value next = sw_array(c, 0);
    for (size_t i = 0; i < sw_len(answers); i++) {
        sw_value learnings = sw_get(sw_at(answers, i), "learnings"),
                 follow_ups = sw_get(sw_at(answers, i), "followUps");
        for (size_t k = 0; k < sw_len(learnings); k++) sw_push(c, &f->learnings, sw_at(learnings, k));
        for (size_t k = 0; k < sw_len(follow_ups) && (int64_t)k < follow_ups_max && sw_len(next) < LEVEL_QUERIES_MAX;
             k++)
            if (!was_asked(f, next, sw_get(sw_at(follow_ups, k), "query"))) sw_push(c, &next, sw_at(follow_ups, k));
    }
    return next;
}

static findings research(sw_ctx *c, const question *q, sw_value queries)
{
    findings f = {sw_array(c, 0), sw_array(c, 0), sw_array(c, 0)};
    int64_t breadth = q->breadth;
    for (int64_t depth = 1; depth <= q->depth && sw_len(queries) > 0; depth++) {
        sw_push_chunk(c, sw_map(c, "type", sw_str(c, "level"), "depth", sw_int(depth), "of", sw_int(q->depth),
                                "queries", queries, NULL));
        int64_t follow_ups = depth < q->depth ? (breadth + 1) / 2 : 0;
        sw_value results = search_all(c, q, queries, depth);
        for (size_t i = 0; i < sw_len(queries); i++) {
            sw_value asked = sw_map(c, "query", sw_get(sw_at(queries, i), "query"), "reasoning",
                                    sw_get(sw_at(queries, i), "reasoning"), "depth", sw_int(depth), NULL);
            sw_push(c, &f.queries, asked);
        }
        sw_value answers = learn_all(c, q, &f, queries, results, depth, follow_ups);
        queries = gather(c, &f, answers, follow_ups);
        breadth = follow_ups;
    }
    return f;
}

/* ---- Endpoints ---- */

static void on_clarify(sw_ctx *c)
{
    question q = {.wrong = NULL};
    read_topic(c, &q);
    if (q.wrong) {
        refuse(c, q.wrong);
        return;
    }
    sw_value input = sw_map(c, "topic", sw_str(c, q.topic), NULL);
    sw_reply_json(c, 200, sw_step(c, "generate-clarifications", step_clarify, input));
}

static void on_research(sw_ctx *c)
{
    question q = read_question(c);
    if (q.wrong) {
        refuse(c, q.wrong);
        return;
    }
    sw_value topic = sw_str(c, q.topic);
    sw_value queries =
        sw_step(c, "generate-queries", step_queries,
                sw_map(c, "topic", topic, "clarifications", q.clarifications, "breadth", sw_int(q.breadth), NULL));
    findings f = research(c, &q, queries);
    sw_push_chunk(c, sw_map(c, "type", sw_str(c, "writing"), "sources", f.sources, NULL));
    sw_value report = sw_step(c, "generate-report", step_report,
                              sw_map(c, "topic", topic, "clarifications", q.clarifications, "learnings", f.learnings,
                                     "sources", f.sources, "fault", q.fault, NULL));
    sw_reply_json(c, 200,
                  sw_map(c, "success", sw_bool(true), "researchId", sw_str(c, q.research_id), "topic", topic, "report",
                         report, "sources", f.sources, "learnings", f.learnings, "queries", f.queries, NULL));
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
    sw_endpoint(app, "GET /api/research/clarify", on_clarify, NULL);
    sw_endpoint(app, "GET /api/research", on_research, NULL);
    sw_on_start(app, on_start, NULL);
    return sw_main(app, argc, argv);
}
