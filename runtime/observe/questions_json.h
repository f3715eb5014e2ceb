/* questions_json: what a run has asked of people, as JSON for operators: its newest questions and what became of them.
 * Never shows their URLs, which have the right to answer. Owns nothing. */
#ifndef RUNTIME_OBSERVE_QUESTIONS_JSON_H
#define RUNTIME_OBSERVE_QUESTIONS_JSON_H

#include "runtime/base/json_writer.h"
#include "storage/entry.h"
#include "storage/run_id.h"

/* The entry's value as the member "value"; of a question without its URL. */
void questions_json_value(json_writer *w, entry_text value);
/* All of the run, as the member "questions", if there are any. */
void questions_json_put(json_writer *w, const run_id *run, entry_text journal);

#endif
