#include "apps/research/steps.h"

#include <string.h>

#include "apps/research/model.h"
#include "apps/research/schema.h"
#include "apps/research/settings.h"

enum {
    SEARCH_RESULTS = 5,
    SEARCH_TEXT_CHARS = 3000,
    SEARCH_TIMEOUT_MS = 60000,
    FAULT_ATTEMPTS_MAX = 3, /* so that a step, which has five attempts, succeeds in the end */
    FAULT_RETRY_MS = 400
};

static const char researcher[] = "You are a careful researcher. You work only with what the sources say, prefer "
                                 "primary sources, numbers and dates, and "
                                 "point out where sources disagree. Answer in the language of the topic.";

static const char *str(sw_ctx *c, sw_value map, const char *key)
{
    const char *text = sw_cstr(c, sw_get(map, key));
    return text ? text : "";
}

/* Tells the page that this attempt runs, then fails it if the request asked for faults. */
static void begin(sw_ctx *c, sw_value input, const char *kind, const char *title)
{
    sw_push_chunk(c, sw_map(c, "type", sw_str(c, "step"), "kind", sw_str(c, kind), "title", sw_str(c, title), "depth",
                            sw_get(input, "depth"), "attempt", sw_int(sw_attempt(c)), NULL));
    sw_value fault = sw_get(input, "fault");
    const char *wanted = str(c, fault, "kind");
    if (sw_is_nil(fault) || (*wanted && strcmp(wanted, kind) != 0) || sw_attempt(c) > FAULT_ATTEMPTS_MAX) return;
    double draw = (double)(sw_random(c) >> 11) * 0x1p-53;
    if (draw < sw_as_double(sw_get(fault, "rate"), 0)) sw_fail_after(c, FAULT_RETRY_MS, "injected failure of %s", kind);
}

static void tell(sw_ctx *c, const char *type, sw_value input, const char *key, sw_value value)
{
    sw_push_chunk(c, sw_map(c, "type", sw_str(c, type), "query", sw_get(input, "query"), "depth",
                            sw_get(input, "depth"), key, value, NULL));
}

static sw_value at_most(sw_ctx *c, sw_value array, int64_t most)
{
    sw_value kept = sw_array(c, 0);
    for (size_t i = 0; i < sw_len(array) && (int64_t)i < most; i++) sw_push(c, &kept, sw_at(array, i));
    return kept;
}

sw_value step_clarify(sw_ctx *c, sw_value input)
{
    begin(c, input, "clarify", "Clarifying questions");
    sw_value question = schema_object(c, "id", schema_string(c), "question", schema_string(c), "options",
                                      schema_array(c, schema_string(c), 2, 5), NULL);
    sw_value schema = schema_object(c, "questions", schema_array(c, question, QUESTIONS_LEAST, QUESTIONS_MOST), NULL);
    sw_value answer = model_ask(
        c, researcher,
        sw_printf(c,
                  "Before researching a topic you ask its author %d to %d short questions that would change what "
                  "you look for, each with a few answers to choose from.\n\nTopic: %s\n",
                  QUESTIONS_LEAST, QUESTIONS_MOST, str(c, input, "topic")),
        schema);
    return sw_map(c, "questions", at_most(c, sw_get(answer, "questions"), QUESTIONS_MOST), NULL);
}

sw_value step_queries(sw_ctx *c, sw_value input)
{
    int64_t breadth = sw_as_int(sw_get(input, "breadth"), 3);
    begin(c, input, "queries", "Choosing what to search for");
    sw_value query =
        schema_object(c, "query", schema_string(c), "reasoning", schema_string(c), "angle", schema_string(c), NULL);
    sw_value schema = schema_object(c, "queries", schema_array(c, query, 1, breadth), NULL);
    sw_value answer = model_ask(
        c, researcher,
        sw_printf(c,
                  "Write %d web search queries that together cover the topic from different angles. "
                  "Say for each why.\n\nTopic: %s\nBreadth: %d\nWhat the author answered when asked "
                  "about it: %s\n",
                  (int)breadth, str(c, input, "topic"), (int)breadth, sw_json(c, sw_get(input, "clarifications")).data),
        schema);
    return at_most(c, sw_get(answer, "queries"), breadth);
}

static sw_value source_of(sw_ctx *c, sw_value result)
{
    sw_value source =
        sw_map(c, "title", sw_get(result, "title"), "url", sw_get(result, "url"), "text", sw_get(result, "text"), NULL);
    static const char *const optional[] = {"publishedDate", "author"};
    for (size_t i = 0; i < 2; i++)
        if (!sw_is_nil(sw_get(result, optional[i]))) sw_set(c, &source, optional[i], sw_get(result, optional[i]));
    if (sw_len(sw_get(source, "title")) == 0) sw_set(c, &source, "title", sw_get(result, "url"));
    return source;
}

sw_value step_search(sw_ctx *c, sw_value input)
{
    begin(c, input, "search", str(c, input, "query"));
    sw_value text = sw_map(c, "maxCharacters", sw_int(SEARCH_TEXT_CHARS), NULL);
    sw_value body = sw_map(c, "query", sw_get(input, "query"), "type", sw_str(c, "auto"), "numResults",
                           sw_int(SEARCH_RESULTS), "contents", sw_map(c, "text", text, NULL), NULL);
    const char *const headers[] = {sw_printf(c, "x-api-key: %s", research_settings.exa_key),
                                   "Content-Type: application/json", NULL};
    const sw_request request = {.url = sw_printf(c, "%s/search", research_settings.exa_url),
                                .headers = headers,
                                .body = sw_json(c, body),
                                .timeout_ms = SEARCH_TIMEOUT_MS};
    sw_value answer = sw_fetch_json(c, &request);
    sw_value results = sw_get(answer, "results"), sources = sw_array(c, 0), shown = sw_array(c, 0);
    if (results.type != MSGPACK_OBJECT_ARRAY) sw_fail_fatal(c, "the search answered without results");
    for (size_t i = 0; i < sw_len(results); i++) {
        sw_value r = sw_at(results, i);
        const char *url = str(c, r, "url");
        if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) continue;
        sw_value source = source_of(c, r);
        sw_push(c, &sources, source);
        sw_push(c, &shown, sw_map(c, "title", sw_get(source, "title"), "url", sw_get(source, "url"), NULL));
    }
    tell(c, "sources", input, "sources", shown);
    return sources;
}

static const char *sources_text(sw_ctx *c, sw_value sources)
{
    const char *all = "";
    for (size_t i = 0; i < sw_len(sources); i++) {
        sw_value s = sw_at(sources, i);
        all = sw_printf(c, "%s[%zu] %s - %s\n%s\n\n", all, i + 1, str(c, s, "title"), str(c, s, "url"),
                        str(c, s, "text"));
    }
    return all;
}

sw_value step_learn(sw_ctx *c, sw_value input)
{
    int64_t follow_ups = sw_as_int(sw_get(input, "breadth"), 2);
    begin(c, input, "learn", str(c, input, "query"));
    sw_value learning = schema_object(c, "insight", schema_string(c), "sourceRationale", schema_string(c), "connection",
                                      schema_string(c), NULL);
    sw_value follow_up = schema_object(c, "query", schema_string(c), "reasoning", schema_string(c), NULL);
    sw_value schema = schema_object(c, "learnings", schema_array(c, learning, 1, 5), "followUps",
                                    schema_array(c, follow_up, 0, follow_ups), "synthesisNote", schema_string(c), NULL);
    sw_value answer =
        model_ask(c, researcher,
                  sw_printf(c,
                            "Read the sources that a search found. Say what they teach about the topic, why each "
                            "source can be trusted with it, and how it connects to the whole; then up to %d "
                            "follow-up queries that go deeper.\n\nTopic: %s\nQuery: %s\n\nSources:\n%s",
                            (int)follow_ups, str(c, input, "topic"), str(c, input, "query"),
                            sources_text(c, sw_get(input, "sources"))),
                  schema);
    tell(c, "learnings", input, "learnings", sw_get(answer, "learnings"));
    return answer;
}

static const char *learnings_text(sw_ctx *c, sw_value learnings)
{
    const char *all = "";
    for (size_t i = 0; i < sw_len(learnings); i++) {
        sw_value l = sw_at(learnings, i);
        all = sw_printf(c, "%s- %s (%s)\n", all, str(c, l, "insight"), str(c, l, "sourceRationale"));
    }
    return all;
}

sw_value step_report(sw_ctx *c, sw_value input)
{
    begin(c, input, "report", "Writing the report");
    sw_value sources = sw_get(input, "sources");
    const char *list = "";
    for (size_t i = 0; i < sw_len(sources); i++)
        list = sw_printf(c, "%s[%zu] %s - %s\n", list, i + 1, str(c, sw_at(sources, i), "title"),
                         str(c, sw_at(sources, i), "url"));
    return model_write(
        c, researcher,
        sw_printf(c,
                  "Write a research report in Markdown: a title, a summary, sections with headings, and at the end "
                  "\"## References\" that lists the sources you used. Cite sources as [n].\n\nTopic: %s\nWhat "
                  "the author answered when asked about it: %s\n\nWhat was learned:\n%s\nSources:\n%s",
                  str(c, input, "topic"), sw_json(c, sw_get(input, "clarifications")).data,
                  learnings_text(c, sw_get(input, "learnings")), list));
}
