/* What the sources of one query teach. Numbers that the model gives are checked against the sources it was given. */
#include <string.h>

#include "apps/research/citations.h"
#include "apps/research/model.h"
#include "apps/research/question.h"
#include "apps/research/schema.h"
#include "apps/research/steps.h"
#include "apps/research/usage.h"

enum {
    LEARNINGS_MOST = 5,
    DOUBTS_MOST = 3,
    ABOUT_TOKENS_MAX = 80,  /* of a title, URL, author */
    SHARE_TOKENS_LEAST = 8, /* a source that is cut to less says nothing */
    QUERY_SHARE = 6
};

static sw_value learn_schema(sw_ctx *c, int64_t follow_ups)
{
    sw_value numbers = schema_integers(c, "numbers of the sources that say so");
    sw_value learning = schema_object(c, "insight", schema_string(c), "sources", numbers, "sourceRationale",
                                      schema_string(c), "connection", schema_string(c), NULL);
    sw_value doubt = schema_object(c, "doubt", schema_string(c), "sources", numbers, NULL);
    sw_value follow_up = schema_object(c, "query", schema_string(c), "reasoning", schema_string(c), NULL);
    return schema_object(c, "learnings", schema_array(c, learning, 0, LEARNINGS_MOST), "doubts",
                         schema_array(c, doubt, 0, DOUBTS_MOST), "followUps", schema_array(c, follow_up, 0, follow_ups),
                         "synthesisNote", schema_string(c), NULL);
}

/* What the numbers in an answer are checked against. */
typedef struct numbering {
    const char *id; /* of the query, for the log */
    size_t count;   /* the greatest number there is */
    int64_t *same;  /* same[n - 1] is n if a source of the prompt has that number, else 0 */
} numbering;

/* Numbers that allow no source so far. */
static numbering numbering_of(sw_ctx *c, sw_value input)
{
    sw_value sources = sw_get(input, "sources");
    int64_t last = sw_as_int(sw_get(sw_at(sources, sw_len(sources) - 1), "n"), 0); /* numbers go up */
    numbering n = {.id = step_text(c, input, "id"), .count = (size_t)last};
    n.same = sw_alloc(c, (n.count + 1) * sizeof *n.same);
    return n;
}

/* ---- The prompt ---- */

/* A model that had read sources may have written the query: so it is given as data, like the sources. */
static void learn_say_query(prompt *p, sw_value query)
{
    sw_ctx *c = p->c;
    prompt_say(p, "\nThe query that found them:\n");
    prompt_open(p, "query");
    (void)prompt_offer(p, sw_map(c, "query", prompt_cut(c, query, p->left / QUERY_SHARE)));
    prompt_close(p, "query");
}

/* Offers a source whose texts have so many tokens, or half as many where they grow too much as JSON, and so on. */
static bool learn_say_source(prompt *p, sw_value s, int64_t tokens)
{
    static const char *const members[] = {"title", "url", "publishedDate", "author", "text"};
    for (int64_t share = tokens / 2; share >= SHARE_TOKENS_LEAST; share /= 2) {
        sw_value line = sw_map(p->c, "source", sw_get(s, "n"));
        for (size_t k = 0; k < sizeof members / sizeof members[0]; k++) {
            sw_value words = sw_get(s, members[k]);
            int64_t most = share / 4 < ABOUT_TOKENS_MAX ? share / 4 : ABOUT_TOKENS_MAX;
            if (strcmp(members[k], "text") == 0) most = share;
            if (sw_type(words) == SW_STRING) sw_set(p->c, &line, members[k], prompt_cut(p->c, words, most));
        }
        if (prompt_cost(p->c, line) <= tokens && prompt_offer(p, line)) return true;
    }
    return false;
}

/* Offers the sources, and allows those to be cited that the prompt then has. */
static void learn_say_sources(prompt *p, sw_value sources, numbering *n)
{
    int64_t room = p->left - p->left / 4; /* the rest is for the digest */
    size_t count = sw_len(sources);
    prompt_open(p, "sources");
    for (size_t i = 0; i < count; i++) {
        int64_t number = sw_as_int(sw_get(sw_at(sources, i), "n"), 0);
        if (learn_say_source(p, sw_at(sources, i), room / (int64_t)count))
            n->same[number - 1] = number;
        else
            sw_log(p->c, "learn-%s: source %lld does not fit the prompt: left out", n->id, (long long)number);
    }
    prompt_close(p, "sources");
}

static void learn_say_digest(prompt *p, sw_value digest)
{
    if (sw_len(digest) == 0) return;
    prompt_say(p,
               "\nWhat earlier searches have found; do not repeat it, but say what is new, what confirms it and what "
               "contradicts it:\n");
    prompt_open(p, "digest");
    for (size_t i = 0; i < sw_len(digest); i++)
        if (!prompt_offer(p, sw_at(digest, i))) break;
    prompt_close(p, "digest");
}

static const char *learn_prompt(sw_ctx *c, sw_value input, numbering *n)
{
    prompt p = step_prompt(c, model_answer_room());
    prompt_say(
        &p,
        "Read the sources that a search found. Say what they teach about the topic, most important first: each "
        "insight with the numbers of the sources that carry it, why they can be trusted with it, and how it "
        "connects to the whole. Nothing that no source says; none if they say nothing about the topic. Say what is "
        "uncertain, or where sources disagree, as doubts. Then write up to %d follow-up queries that go deeper. "
        "Give numbers in \"sources\" only, not in the texts.\n\n",
        (int)sw_as_int(sw_get(input, "followUps"), 0));
    prompt_line(&p, "Today", step_text(c, input, "today"));
    prompt_line(&p, "Topic", step_text(c, input, "topic"));
    prompt_line(&p, "Follow-up queries", sw_printf(c, "%d", (int)sw_as_int(sw_get(input, "followUps"), 0)));
    learn_say_query(&p, sw_get(input, "query"));
    prompt_say(&p, "\nThe sources:\n");
    learn_say_sources(&p, sw_get(input, "sources"), n);
    learn_say_digest(&p, sw_get(input, "digest"));
    return sw_text_str(&p.text);
}

/* ---- The check ---- */

static bool numbers_hold(sw_value numbers, int64_t n)
{
    for (size_t i = 0; i < sw_len(numbers); i++)
        if (sw_as_int(sw_at(numbers, i), 0) == n) return true;
    return false;
}

/* Those of the numbers that sources have, each once. */
static sw_value checked_numbers(sw_ctx *c, const numbering *n, sw_value given)
{
    sw_value checked = sw_array(c, 0);
    for (size_t i = 0; i < sw_len(given); i++) {
        int64_t number = sw_as_int(sw_at(given, i), 0);
        if (number < 1 || (uint64_t)number > n->count || n->same[number - 1] == 0)
            sw_log(c, "learn-%s: [%lld] is none of its sources: taken out", n->id, (long long)number);
        else if (!numbers_hold(checked, number))
            sw_push(c, &checked, sw_int(number));
    }
    return checked;
}

static sw_value checked_text(sw_ctx *c, const numbering *n, sw_value map, const char *key)
{
    return sw_str(c, citations_checked(c, step_text(c, map, key), n->same, n->count));
}

/* The insights that a source carries: others are the model's own, and are left out. */
static sw_value checked_learnings(sw_ctx *c, const numbering *n, sw_value given)
{
    sw_value checked = sw_array(c, 0);
    for (size_t i = 0; i < sw_len(given) && sw_len(checked) < LEARNINGS_MOST; i++) {
        sw_value l = sw_at(given, i), sources = checked_numbers(c, n, sw_get(l, "sources"));
        if (sw_len(sources) == 0) {
            sw_log(c, "learn-%s: an insight without a source: taken out", n->id);
            continue;
        }
        if (question_is_blank(c, sw_get(l, "insight"))) continue;
        sw_push(c, &checked,
                sw_map(c, "insight", checked_text(c, n, l, "insight"), "sourceRationale",
                       checked_text(c, n, l, "sourceRationale"), "connection", checked_text(c, n, l, "connection"),
                       "sources", sources));
    }
    return checked;
}

static sw_value checked_doubts(sw_ctx *c, const numbering *n, sw_value given)
{
    sw_value checked = sw_array(c, 0);
    for (size_t i = 0; i < sw_len(given) && sw_len(checked) < DOUBTS_MOST; i++) {
        if (question_is_blank(c, sw_get(sw_at(given, i), "doubt"))) continue;
        sw_push(c, &checked,
                sw_map(c, "doubt", checked_text(c, n, sw_at(given, i), "doubt"), "sources",
                       checked_numbers(c, n, sw_get(sw_at(given, i), "sources"))));
    }
    return checked;
}

sw_value step_learn(sw_ctx *c, sw_value input)
{
    numbering n = numbering_of(c, input);
    step_begin(c, input, sw_printf(c, "learn-%s", n.id), "learn", step_text(c, input, "query"));
    sw_value schema = learn_schema(c, sw_as_int(sw_get(input, "followUps"), 0)), usage = usage_none(c);
    sw_value answer = model_ask(c, step_system, learn_prompt(c, input, &n), schema, &usage);
    sw_value learnings = checked_learnings(c, &n, sw_get(answer, "learnings"));
    sw_value doubts = checked_doubts(c, &n, sw_get(answer, "doubts")), note = sw_get(answer, "synthesisNote");
    sw_value news = step_news(c, "learnings", input);
    sw_set(c, &news, "learnings", learnings);
    sw_set(c, &news, "doubts", doubts);
    sw_set(c, &news, "note", note);
    sw_push_chunk(c, news);
    step_tell_usage(c, usage);
    return sw_map(c, "learnings", learnings, "doubts", doubts, "followUps", sw_get(answer, "followUps"),
                  "synthesisNote", note, "usage", usage);
}
