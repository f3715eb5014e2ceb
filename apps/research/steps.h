/* steps: what the research costs money for, one function a step. Inputs and results are what the journal holds; each
 * result has the `usage` of its calls. Each tells the page of itself with {"type": "step", ...} chunks, which are taken
 * back when the attempt fails (docs/research.md). */
#ifndef RESEARCH_STEPS_H
#define RESEARCH_STEPS_H

#include "apps/research/prompt.h"

enum { QUESTIONS_LEAST = 3, QUESTIONS_MOST = 4, QUERY_CHARACTERS_MAX = 400 };

/* {topic, today} -> {questions: [{id, question, options}], usage} */
sw_value step_clarify(sw_ctx *c, sw_value input);
/* {topic, today, clarifications, breadth} -> {queries: [{query, reasoning, angle}], usage} */
sw_value step_queries(sw_ctx *c, sw_value input);
/* {id, query, depth, fault} -> {sources: [{n, title, url, text?, publishedDate?, author?}], usage}; n counts from 1 */
sw_value step_search(sw_ctx *c, sw_value input);
/* {id, query, depth, topic, today, followUps: at most, sources, digest: [{level, query, note}], fault}
 * -> {learnings: [{insight, sourceRationale, connection, sources: [n]}], doubts: [{doubt, sources: [n]}],
 *     followUps: [{query, reasoning}], synthesisNote, usage}; each n is that of one of the input's sources */
sw_value step_learn(sw_ctx *c, sw_value input);
/* {topic, today, clarifications, learnings, doubts, notes: [{query, note}], sources: [{n, title, url}], fault}
 * -> {report: Markdown, insights: {used, of}, usage} */
sw_value step_report(sw_ctx *c, sw_value input);

/* {"kind": "search"|"learn"|"report"|"", "rate": 0..1} as `fault` of an input makes attempts fail on purpose. */

/* Of all steps: how the model is to work. */
extern const char step_system[];

/* An attempt of the step begins: says so to the page, then fails it if the request asked for faults. */
void step_begin(sw_ctx *c, sw_value input, const char *step, const char *kind, const char *title);

/* {"type": type, "id", "query", "depth" of the input}; the caller adds to it and pushes it. */
sw_value step_news(sw_ctx *c, const char *type, sw_value input);

/* An empty prompt with the room that step_system and an answer leave. */
prompt step_prompt(sw_ctx *c, int64_t answer_tokens);

void step_tell_usage(sw_ctx *c, sw_value usage);

/* {n, title, url} of a source: what is known of it without its text. */
sw_value source_shown(sw_ctx *c, sw_value source);

/* A text of a map, "" if it has none. */
const char *step_text(sw_ctx *c, sw_value map, const char *key);

#endif
