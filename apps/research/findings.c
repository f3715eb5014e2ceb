#include "apps/research/findings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "apps/research/citations.h"
#include "apps/research/list.h"
#include "apps/research/prompt.h"
#include "apps/research/question.h"
#include "apps/research/steps.h"
#include "apps/research/usage.h"

enum { DIGEST_TOKENS_MAX = 3000 };

findings findings_new(sw_ctx *c)
{
    return (findings){.sources = sw_array(c, 0),
                      .learnings = sw_array(c, 0),
                      .doubts = sw_array(c, 0),
                      .notes = sw_array(c, 0),
                      .queries = sw_array(c, 0),
                      .usage = usage_none(c)};
}

sw_value findings_urls(sw_ctx *c, const findings *f)
{
    sw_value urls = sw_array(c, 0);
    for (size_t i = 0; i < sw_len(f->sources); i++) sw_push(c, &urls, sw_get(sw_at(f->sources, i), "url"));
    return urls;
}

/* The latest level's first: it asked closest to what is asked next. */
sw_value findings_digest(sw_ctx *c, const findings *f)
{
    sw_value digest = sw_array(c, 0);
    int64_t left = DIGEST_TOKENS_MAX;
    for (size_t i = sw_len(f->notes); i > 0; i--) {
        left -= prompt_cost(c, sw_at(f->notes, i - 1));
        if (left < 0) break;
        sw_push(c, &digest, sw_at(f->notes, i - 1));
    }
    return digest;
}

/* A model's query as a search service takes it; nil: it is no query, or was asked already. */
static sw_value findings_usable_query(sw_ctx *c, sw_value asked, sw_value query)
{
    if (question_is_blank(c, query)) return sw_nil();
    query = question_cut(c, query, QUERY_CHARACTERS_MAX);
    return list_has(asked, "query", query) ? sw_nil() : query;
}

sw_value findings_begin_level(sw_ctx *c, findings *f, sw_value queries, int64_t depth)
{
    sw_value named = sw_array(c, 0);
    for (size_t i = 0; i < sw_len(queries); i++) {
        sw_value query = findings_usable_query(c, f->queries, sw_get(sw_at(queries, i), "query"));
        if (sw_is_nil(query)) continue;
        sw_value id = sw_strf(c, "%lld.%zu", (long long)depth, sw_len(named) + 1),
                 reasoning = sw_get(sw_at(queries, i), "reasoning");
        sw_push(c, &named, sw_map(c, "id", id, "query", query, "reasoning", reasoning));
        sw_push(c, &f->queries, sw_map(c, "id", id, "query", query, "reasoning", reasoning, "depth", sw_int(depth)));
    }
    return named;
}

/* ---- Numbers ---- */

/* From the numbers that one query gave its sources to those of the whole. */
typedef struct numbering {
    int64_t *shown; /* shown[n - 1] is the whole's number of the query's source n; 0: there is no such source */
    size_t count;
} numbering;

/* Gives each of the query's own sources its number in the whole; those that are new get the next ones. */
static numbering findings_number_sources(sw_ctx *c, findings *f, sw_value own)
{
    numbering n = {.count = (size_t)sw_as_int(sw_get(sw_at(own, sw_len(own) - 1), "n"), 0)}; /* numbers go up */
    n.shown = sw_alloc(c, (n.count + 1) * sizeof *n.shown);
    for (size_t i = 0; i < sw_len(own); i++) {
        sw_value s = sw_at(own, i);
        size_t place = list_find(f->sources, "url", sw_get(s, "url"));
        int64_t number = (int64_t)place + 1;
        if (place == sw_len(f->sources))
            sw_push(c, &f->sources,
                    sw_map(c, "n", sw_int(number), "title", sw_get(s, "title"), "url", sw_get(s, "url")));
        n.shown[sw_as_int(sw_get(s, "n"), 1) - 1] = number;
    }
    return n;
}

static sw_value numbers_of_whole(sw_ctx *c, const numbering *n, sw_value numbers)
{
    sw_value out = sw_array(c, 0);
    for (size_t i = 0; i < sw_len(numbers); i++) {
        int64_t number = sw_as_int(sw_at(numbers, i), 0);
        bool exists = number >= 1 && (uint64_t)number <= n->count && n->shown[number - 1] > 0;
        if (exists) sw_push(c, &out, sw_int(n->shown[number - 1]));
    }
    return out;
}

/* The level of a query, which its id begins with: "2.3" is of the second. */
static sw_value level_of(sw_ctx *c, sw_value query) { return sw_int(strtoll(step_text(c, query, "id"), NULL, 10)); }

/* An item of an answer with the whole's numbers, and with the query it is from. Its `texts` may hold marks too. */
static sw_value finding_of(sw_ctx *c, const numbering *n, sw_value item, sw_value query, const char *const *texts)
{
    sw_value out = sw_map(c);
    for (; *texts; texts++)
        sw_set(c, &out, *texts, sw_str(c, citations_checked(c, step_text(c, item, *texts), n->shown, n->count)));
    sw_set(c, &out, "sources", numbers_of_whole(c, n, sw_get(item, "sources")));
    sw_set(c, &out, "query", sw_get(query, "query"));
    sw_set(c, &out, "depth", level_of(c, query));
    return out;
}

static void findings_add_answer(sw_ctx *c, findings *f, sw_value query, sw_value own, sw_value answer)
{
    static const char *const of_learning[] = {"insight", "sourceRationale", "connection", NULL};
    static const char *const of_doubt[] = {"doubt", NULL};
    numbering n = findings_number_sources(c, f, own);
    sw_value learnings = sw_get(answer, "learnings"), doubts = sw_get(answer, "doubts");
    for (size_t i = 0; i < sw_len(learnings); i++)
        sw_push(c, &f->learnings, finding_of(c, &n, sw_at(learnings, i), query, of_learning));
    for (size_t i = 0; i < sw_len(doubts); i++)
        sw_push(c, &f->doubts, finding_of(c, &n, sw_at(doubts, i), query, of_doubt));
    sw_push(c, &f->notes,
            sw_map(c, "level", level_of(c, query), "query", sw_get(query, "query"), "note",
                   sw_get(answer, "synthesisNote")));
}

/* ---- What to ask next ---- */

static void findings_add_follow_ups(sw_ctx *c, const findings *f, sw_value *next, sw_value follow_ups, int64_t most)
{
    for (size_t i = 0; i < sw_len(follow_ups) && (int64_t)i < most && sw_len(*next) < LEVEL_QUERIES_MAX; i++) {
        sw_value query = findings_usable_query(c, f->queries, sw_get(sw_at(follow_ups, i), "query"));
        if (sw_is_nil(query) || list_has(*next, "query", query)) continue;
        sw_push(c, next, sw_map(c, "query", query, "reasoning", sw_get(sw_at(follow_ups, i), "reasoning")));
    }
}

sw_value findings_end_level(sw_ctx *c, findings *f, sw_value queries, sw_value answers, int64_t follow_ups_max)
{
    sw_value next = sw_array(c, 0);
    assert(sw_len(answers) == sw_len(queries)); /* a group answers in the order of its start */
    for (size_t i = 0; i < sw_len(answers); i++) {
        sw_value got = sw_at(answers, i), answer = sw_get(got, "answer");
        usage_add(c, &f->usage, sw_get(got, "usage"));
        if (sw_is_nil(answer)) continue;
        findings_add_answer(c, f, sw_at(queries, i), sw_get(got, "sources"), answer);
        findings_add_follow_ups(c, f, &next, sw_get(answer, "followUps"), follow_ups_max);
    }
    return next;
}
