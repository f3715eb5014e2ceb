/* recording: the calls of an execution and their answers as a file: JSON, one object a line; docs/prove.md has the
 * format. Values of request headers that may be secrets are not in it, nor are cookies. */
#ifndef RUNTIME_PROVE_RECORDING_H
#define RUNTIME_PROVE_RECORDING_H

#include "runtime/base/arena.h"
#include "runtime/prove/execution.h"

/* False with a message that names the file. */
bool recording_write(const char *path, const char *request, const execution *x, char *error, size_t error_size);

/* Its calls and answers as facts, in `a`, like those that an execution told. NULL with a message that names file and
 * line; `bytes_max`: of the file (--prove-memory). */
fact *recording_read(arena *a, const char *path, int64_t bytes_max, size_t *count, char *error, size_t error_size);

#endif
