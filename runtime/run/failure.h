/* failure: why a piece of a handler's code (a step's attempt, a branch, the handler) ended before its end. Each strand
 * has one: ctx_raise fills it, the boundary that catches it (ctx_call) reads it. Owns nothing: its texts are in the
 * run's arena, or static. */
#ifndef RUNTIME_RUN_FAILURE_H
#define RUNTIME_RUN_FAILURE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum failure_kind {
    FAILURE_NONE,
    FAILURE_RETRY, /* the step's attempt may be repeated */
    FAILURE_FATAL, /* the attempt is not repeated: sw_fail_fatal, misuse, or a step inside that failed for good */
    FAILURE_UNWIND /* not a failure: the run leaves memory (parks, is drained or cancelled); only defers run */
} failure_kind;

typedef struct failure {
    failure_kind kind;
    const char *message;    /* for people; in the run's arena, or static */
    const char *step;       /* id of the step that failed; NULL: no step did; in the run's arena */
    int attempts;           /* of that step */
    const uint64_t *causes; /* paths of the steps whose final failure this is; in the run's arena */
    uint32_t cause_count;
    bool is_exhausted;      /* all causes are steps that have used their retries, so trying them again may help */
    int64_t retry_after_ms; /* -1: the backoff decides */
    bool retry_lengthens;   /* a peer asked for retry_after_ms: the longer of it and the backoff counts */
    const char *path;       /* of the step that failed for good, for people; in the run's arena; NULL: none did */
    int answered;           /* the HTTP status of a service's response that the step failed for; 0: none */
    int status;             /* of the reply when the handler fails with this; 0: 500 */
} failure;

/* The failure of code that is unwound. */
extern const failure failure_unwind;

#endif
