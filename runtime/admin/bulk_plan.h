/* bulk_plan: what a bulk action is to do, to which runs, how fast: read from the body of its request, and again from
 * the journal whenever its run is replayed. Owns copies of all texts. */
#ifndef RUNTIME_ADMIN_BULK_PLAN_H
#define RUNTIME_ADMIN_BULK_PLAN_H

#include "runtime/admin/run_filter.h"
#include "runtime/run/letter.h"

enum { BULK_PER_SECOND = 50, BULK_PER_SECOND_MAX = 10000 };

/* In this order their names are told. */
typedef enum bulk_action { BULK_CANCEL, BULK_STOP, BULK_RELEASE, BULK_RESUME, BULK_ACTIONS } bulk_action;

typedef struct bulk_plan {
    bulk_action action;
    run_filter filter;
    bool names_endpoint;            /* the filter says which endpoint: else bulk actions are left alone */
    int64_t as_of_ms;               /* Unix: runs that began or ended later are left alone; 0: not said */
    int64_t per_second;             /* letters */
    int64_t max;                    /* letters at most; 0: no limit */
    bool dry_run;                   /* only count */
    char by[LETTER_BY_MAX + 1];     /* the operator; "": not said */
    char text[LETTER_TEXT_MAX + 1]; /* with BULK_STOP: why; "": not said */
} bulk_plan;

extern const char bulk_route[]; /* "POST /_sw/bulk" */

const char *bulk_action_name(bulk_action action);

/* What the members of a body say; nil: nothing. */
typedef struct bulk_body {
    sw_value action, filter, as_of, per_second, max, dry_run, by, text;
} bulk_body;

/* Fills the plan, which is not moved afterwards. Returns NULL, or what is wrong: a sentence, static or in `wrong`. */
enum { BULK_WRONG_BYTES = 160 };
const char *bulk_plan_read(bulk_plan *p, const sw_app *app, const bulk_body *body, char wrong[BULK_WRONG_BYTES]);
/* What is to become of a run that the filter means. */
typedef enum bulk_verdict {
    BULK_ACTS,
    BULK_HAS_ENDED,
    BULK_HAS_NOT_ENDED,
    BULK_HAS_SUCCEEDED,
    BULK_IS_STOPPED,
    BULK_IS_NOT_STOPPED,
    BULK_HAS_NO_ENDPOINT, /* it stands until that is back */
    BULK_IS_UNREADABLE,
    BULK_ENDED_LATER, /* than asOf */
    BULK_IS_BULK,
    BULK_CHANGED,    /* between the look and the letter: it led to nothing */
    BULK_IS_REFUSED, /* nobody can resume the run: version 0.1 wrote its journal, for example */
    BULK_VERDICTS
} bulk_verdict;

bulk_verdict bulk_plan_judge(const bulk_plan *p, const store_summary *s);
const char *bulk_verdict_name(bulk_verdict v); /* "ended": why a run is skipped */

#endif
