/* recording: the calls of an execution and their answers as a file, one JSON object a line (docs/prove.md has the
 * format). Owns nothing. Never has cookies, or values of request headers that may be secrets. */
#ifndef RUNTIME_PROVE_RECORDING_H
#define RUNTIME_PROVE_RECORDING_H

#include "runtime/base/arena.h"
#include "runtime/prove/execution.h"

/* Writes the recording of `x`. False with a message that names the file. */
bool recording_write(const char *path, const char *request, const execution *x, char *error, size_t error_size);

typedef struct recording_file {
    const char *path;
    int64_t bytes_max; /* a larger file is refused */
} recording_file;

/* Reads the calls and answers of a recording as facts, which lie in `a`. NULL with a message that names file and line.
 */
fact *recording_read(arena *a, const recording_file *file, size_t *count, char *error, size_t error_size);

#endif
