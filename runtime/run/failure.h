/* failure: why a piece of a run ended before its end. One per strand; filled by whoever fails, read at the boundary
 * that catches it (a step attempt, a branch, the handler). */
#ifndef RUNTIME_RUN_FAILURE_H
#define RUNTIME_RUN_FAILURE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum failure_kind {
    FAILURE_NONE,
    FAILURE_RETRY, /* a step attempt may be repeated */
    FAILURE_FATAL, /* not repeated: sw_fail_fatal, misuse, or a step that failed for good */
    FAILURE_UNWIND /* not a failure: the run leaves memory (parks, is drained or cancelled); only defers run */
} failure_kind;

typedef struct failure {
    failure_kind kind;
    const char *message;    /* in the run's arena, or static */
    const char *step;       /* id of the step that failed, NULL outside steps; in the run's arena */
    int attempts;           /* of that step */
    const uint64_t *causes; /* paths of the steps whose final failure this is; in the run's arena */
    uint32_t cause_count;
    bool is_exhausted;      /* all causes are steps that have used their retries: to try them again may help */
    int64_t retry_after_ms; /* -1: the backoff decides */
    bool retry_lengthens;   /* a peer asked for it: not sooner than the backoff either */
    const char *path;       /* of that step, for people; in the run's arena; NULL: none, or not failed for good */
    int answered;           /* by a service: the HTTP status that the step failed for; 0: none */
    int status;             /* reply the client gets when the handler fails with it; 0: 500 */
} failure;

#endif
