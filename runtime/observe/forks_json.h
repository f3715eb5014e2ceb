/* forks_json: the forks of a run, as its page names them: the newest ones, and how they stand. Owns no memory: the
 * caller reads the rows of storage/kin.h and then the runs that they lead to, and gives both here in this order. A row
 * may outlive its run for a moment: it leads to nothing, and nothing is shown of it. */
#ifndef RUNTIME_OBSERVE_FORKS_JSON_H
#define RUNTIME_OBSERVE_FORKS_JSON_H

#include "runtime/observe/runs_json.h"

enum {
    FORKS_MAX = 50,           /* on one page */
    FORKS_GLANCE_BYTES = 4096 /* read from each end of their journals: enough to tell how they stand */
};

typedef struct shown_forks {
    run_id ids[FORKS_MAX]; /* as the rows have them, the newest first */
    shown_state states[FORKS_MAX];
    bool is_there[FORKS_MAX];
    size_t count;
    bool has_older;    /* than the last of these */
    const char *error; /* why they cannot be read; static. NULL: nothing went wrong */
} shown_forks;

/* Takes the next row of the run, of at most FORKS_MAX. */
void forks_take_row(shown_forks *f, store_bytes key);
/* Takes what there is of the run whose row was taken as the i-th, from 0. From any thread; `app` as runs_json_state. */
void forks_take_run(shown_forks *f, size_t i, const sw_app *app, const store_summary *s);
/* Writes the members "forks" and "olderForks" if there are any, or "forksUnread". */
void forks_json_put(json_writer *w, const shown_forks *f);

#endif
