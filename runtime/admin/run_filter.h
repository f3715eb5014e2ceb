/* run_filter: which runs an operator means, made of named texts: the parameters of the list, the members of a bulk
 * action's filter. Owns copies of the texts. Finds nothing itself: it is a query for the store. Of what --redact hides
 * it asks nothing: it looks at runs as they are shown. */
#ifndef RUNTIME_ADMIN_RUN_FILTER_H
#define RUNTIME_ADMIN_RUN_FILTER_H

#include "runtime/admin/error_kind.h"
#include "runtime/admin/shown_text.h"
#include "runtime/run/program.h"
#include "storage/query.h"

/* The names of what can be set, for refusals. */
#define RUN_FILTER_NAMES "endpoint, state, version, label, from, to, id, error, step, kind, before, after"

enum {
    RUN_FILTER_TEXT = SHOWN_PART_MAX + 1,
    RUN_FILTER_BYTES = 65536 /* read from each end of a journal. What is found depends on it: one number for the list,
                                the groups of errors and bulk actions */
};

typedef struct run_filter {
    run_query query; /* its ids, criteria, `wants` and bytes_max; limit and how many are looked at are the caller's.
                        Borrows from this struct, which is not moved */
    const sw_app *app;
    bool is_empty;                  /* the bounds exclude each other: no run is meant */
    unsigned states;                /* bits 1 << shown_state */
    unsigned fates;                 /* of these states */
    const char *failed_step, *kind; /* of the failure that has ended the run; "": no step's, no message. NULL: any */
    const char *shown_error;        /* contained in the error as it is shown. NULL: any, or nothing is hidden */
    const char *shown_label_key, *shown_label; /* a label as it is shown. NULL: any, or the query has it */
    unsigned given;                            /* a bit for each name that was set */
    char function[RUN_FILTER_TEXT], version[RUN_FILTER_TEXT], error[RUN_FILTER_TEXT], label[RUN_FILTER_TEXT];
    char step_text[RUN_FILTER_TEXT], kind_text[ERROR_KIND_BYTES + 1];
} run_filter;

/* Makes a filter that means all runs. */
void run_filter_init(run_filter *f, const sw_app *app);
/* Whether that is the name of something that can be set. */
bool run_filter_knows(const char *name);
/* Sets `endpoint`, `state`, `version`, `label`, `from`, `to`, `id`, `error`, `step`, `kind`, `after` or `before`.
 * Returns NULL, or what is wrong with the value: a sentence, static. */
const char *run_filter_set(run_filter *f, const char *name, const char *value);

/* Means only runs with ids below this one, besides. */
void run_filter_lower(run_filter *f, const run_id *id);

#endif
