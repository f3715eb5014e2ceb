/* runs_json: a run and what its journal says, as JSON for operators. Owns nothing: the caller has the writer, and
 * decides what becomes of a document that is short. */
#ifndef RUNTIME_OBSERVE_RUNS_JSON_H
#define RUNTIME_OBSERVE_RUNS_JSON_H

#include "runtime/base/json_writer.h"
#include "runtime/run/program.h"
#include "storage/store.h"

/* A run as a list has it, as the next element. */
void runs_json_line(json_writer *w, const sw_app *app, const store_summary *s);
/* A run with what each of its entries says, as the document. */
void runs_json_run(json_writer *w, const sw_app *app, const store_journal *j);

#endif
