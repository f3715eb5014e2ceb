/* runs_json: a run and what its journal says, as JSON for operators. Owns nothing: the caller has the writer, and
 * decides what becomes of a document that is short. */
#ifndef RUNTIME_OBSERVE_RUNS_JSON_H
#define RUNTIME_OBSERVE_RUNS_JSON_H

#include "runtime/base/json_writer.h"
#include "runtime/run/program.h"
#include "storage/store.h"

/* How a run stands, as operators see it. */
typedef enum shown_state {
    SHOWN_RUNNING,
    SHOWN_SLEEPING,
    SHOWN_STOPPED,
    SHOWN_SUCCEEDED,
    SHOWN_FAILED,
    SHOWN_CANCELLED,
    SHOWN_UNREADABLE, /* it has ended, or nobody knows whether it has, and its journal cannot be read */
    SHOWN_STATES
} shown_state;

/* Of all below: `app` NULL when no program works with the folder. */
const char *shown_state_name(shown_state state); /* "running" */
/* From any thread. */
shown_state runs_json_state(const sw_app *app, const store_summary *s);

/* A run as a list has it, as the next element. */
void runs_json_line(json_writer *w, const sw_app *app, const store_summary *s);
/* What the page of a run is made of. */
typedef struct run_page {
    const store_journal *journal;    /* whole */
    const struct survey *now;        /* what the run is doing; NULL: its loop was not asked */
    const struct shown_forks *forks; /* see forks_json.h */
} run_page;

/* A run with its steps and entries, as the document. */
void runs_json_run(json_writer *w, const sw_app *app, const run_page *page);

#endif
