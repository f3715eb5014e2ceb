/* run_filter: which runs an operator means, made of named texts: the parameters of the list, the members of a bulk
 * action's filter. Owns copies of the texts. Finds nothing itself: it is a query for the store. */
#ifndef RUNTIME_ADMIN_RUN_FILTER_H
#define RUNTIME_ADMIN_RUN_FILTER_H

#include "runtime/run/program.h"
#include "storage/query.h"

enum { RUN_FILTER_TEXT = 512 };

typedef struct run_filter {
    run_query query; /* its ids, criteria and `wants`; limit and how much is looked at are the caller's. Borrows from
                        this struct, which is not moved */
    const sw_app *app;
    bool is_empty;   /* the bounds exclude each other: no run is meant */
    unsigned states; /* bits 1 << shown_state */
    unsigned given;  /* a bit for each name that was set */
    char function[RUN_FILTER_TEXT], version[RUN_FILTER_TEXT], error[RUN_FILTER_TEXT], label[RUN_FILTER_TEXT];
} run_filter;

/* Makes a filter that means all runs. */
void run_filter_init(run_filter *f, const sw_app *app);
/* Whether that is the name of something that can be set. */
bool run_filter_knows(const char *name);
/* Sets `endpoint`, `state`, `version`, `label`, `from`, `to`, `id`, `error`, `after` or `before`. Returns NULL, or what
 * is wrong with the value: a sentence, static. */
const char *run_filter_set(run_filter *f, const char *name, const char *value);

/* Means only runs with ids below this one, besides. */
void run_filter_lower(run_filter *f, const run_id *id);

#endif
