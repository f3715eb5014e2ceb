/* judge: what an execution of a checked run shows: the program asks for what the run has done, comes to a step that the
 * run has not made, or differs. Owns nothing; its texts lie in an arena. */
#ifndef RUNTIME_CHECK_JUDGE_H
#define RUNTIME_CHECK_JUDGE_H

#include "runtime/base/redact.h"
#include "runtime/check/checked_run.h"
#include "runtime/prove/execution.h"

typedef enum check_kind {
    CHECK_OK,
    CHECK_NEW_STEP,  /* it has ended, and the program comes to a step behind all that it has done */
    CHECK_DIFFERS,   /* the program would not go on with what the run has done, or would answer otherwise */
    CHECK_UNREADABLE /* the run's journal cannot be read */
} check_kind;

typedef struct check_verdict {
    check_kind kind;
    const char *at;       /* path of the step or sleep for people, or "answer"; "" if there is none */
    const char *expected; /* CHECK_DIFFERS: what the run has; "": see `got` */
    const char *got;      /* what the program does instead, or next */
} check_verdict;

/* Judges the execution `x`, which began with r->journal. Inputs and answers that differ are shown but for what `hides`
 * names; NULL: nothing. A text for which memory was out is "". */
check_verdict judge_execution(const checked_run *r, const execution *x, const redact *hides, arena *a);

#endif
