/* imports: functions that the program, and shared objects of its own, take from other libraries, replaced by functions
 * of ours. Never touches what the system's libraries and libstepwell.so import. A static program has no imports. */
#ifndef RUNTIME_PROBE_IMPORTS_H
#define RUNTIME_PROBE_IMPORTS_H

#include <stddef.h>

typedef struct import {
    const char *name;
    void *ours;  /* called in its place */
    void **real; /* becomes the replaced function; NULL: the process has no function of this name */
} import;

/* Replaces the imports of `list`. Where Stepwell is linked into the program, its own imports are the program's, and are
 * replaced too. Before there is another thread. */
void imports_replace(const import *list, size_t count);

#endif
