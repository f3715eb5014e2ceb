/* steps: what the research costs money for, one function a step. Inputs and results are what the journal holds. Each
 * tells the page of itself with {"type": "step", ...} chunks, which are taken back when the attempt fails. */
#ifndef RESEARCH_STEPS_H
#define RESEARCH_STEPS_H

#include <stepwell.h>

enum { QUESTIONS_LEAST = 3, QUESTIONS_MOST = 4 };

/* {topic} -> {questions: [{id, question, options}]} */
sw_value step_clarify(sw_ctx *c, sw_value input);
/* {topic, clarifications, breadth} -> [{query, reasoning, angle}] */
sw_value step_queries(sw_ctx *c, sw_value input);
/* {query, depth} -> [{title, url, text, publishedDate, author}] */
sw_value step_search(sw_ctx *c, sw_value input);
/* {topic, query, depth, breadth, sources: [...]} -> {learnings, followUps, synthesisNote} */
sw_value step_learn(sw_ctx *c, sw_value input);
/* {topic, clarifications, learnings, sources} -> Markdown */
sw_value step_report(sw_ctx *c, sw_value input);

/* {"kind": "search"|"learn"|"report"|"", "rate": 0..1} as `fault` of an input makes attempts fail on purpose. */

#endif
