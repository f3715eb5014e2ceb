/* step_spec: which step or branch the code asks for: what its record in the journal is found by, and what to call when
 * there is none. Owns nothing: its texts lie in the run's arena. */
#ifndef RUNTIME_RUN_STEP_SPEC_H
#define RUNTIME_RUN_STEP_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/stepwell.h"

enum { STEP_ID_MAX = 256, STEP_RETRIES_DEFAULT = 4, STEP_INPUT_JOURNALED_MAX = 16384 };

typedef struct step_spec {
    const char *id;           /* 1 to STEP_ID_MAX bytes */
    uint64_t path;            /* see path_next */
    uint32_t occurrence;      /* which of the equal ids of its branch, from 0 */
    uint64_t branch;          /* path of the branch, or of the handler, that holds it */
    uint64_t input_hash;      /* of a step; 0: unknown */
    uint64_t input_bytes;     /* of a step: length of the input's msgpack encoding */
    const char *branch_label; /* of the branch that holds it, "" for the handler */
    sw_step_fn fn;
    sw_value input;
    sw_step_options options;
    const bool *decided; /* of its group: once true no attempt begins any more; NULL: no group decides */
} step_spec;

#endif
