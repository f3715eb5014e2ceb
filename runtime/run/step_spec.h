/* step_spec: which step, or branch, the code asks for: what the journal is asked by, and what is done if it has
 * nothing. Its texts lie in the run's arena. */
#ifndef RUNTIME_STEP_SPEC_H
#define RUNTIME_STEP_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/stepwell.h"

enum { STEP_ID_MAX = 256, STEP_RETRIES_DEFAULT = 4, STEP_INPUT_JOURNALED_MAX = 16384 };

typedef struct step_spec {
    const char *id; /* in the run's arena */
    uint64_t path;
    uint32_t occurrence;
    uint64_t branch;          /* path of what holds it */
    uint64_t input_hash;      /* of a step; 0: unknown */
    uint64_t input_bytes;     /* of a step: of its msgpack encoding */
    const char *branch_label; /* of the branch that holds it, "" for the handler */
    sw_step_fn fn;
    sw_value input;
    sw_step_options options;
    const bool *decided; /* once true no attempt of it begins any more; NULL: never */
} step_spec;

#endif
