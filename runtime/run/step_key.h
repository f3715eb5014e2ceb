/* step_key: the name of one step of one run for the services that the step calls (Idempotency-Key, client reference). A
 * pure function of run id and path, and the same in every version: payment services store the key. */
#ifndef RUNTIME_RUN_STEP_KEY_H
#define RUNTIME_RUN_STEP_KEY_H

#include <stdint.h>

#include "storage/run_id.h"

enum { STEP_KEY_TEXT = 26 };

/* Writes the key: the first 130 bits of SHA-256(the 16 bytes of the run id, then `path` as 8 bytes, big endian) as 26
 * digits of Crockford's base 32, zero-terminated. */
void step_key(const run_id *id, uint64_t path, char out[STEP_KEY_TEXT + 1]);

#endif
