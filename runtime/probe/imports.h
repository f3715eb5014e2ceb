/* imports: the functions that the program, and shared objects of its own, take from other libraries: replaced by others
 * of the same types. Of a program that is linked statically there are none. */
#ifndef RUNTIME_PROBE_IMPORTS_H
#define RUNTIME_PROBE_IMPORTS_H

#include <stddef.h>

typedef struct import {
    const char *name;
    void *ours;  /* called in its place */
    void **real; /* where the function that is replaced is kept; NULL there: the process has none of this name */
} import;

/* What the system's libraries and the one that this is part of take for themselves stays as it is; but where this is
 * linked into the program, its own calls are the program's. Before there is another thread. */
void imports_replace(const import *list, size_t count);

#endif
