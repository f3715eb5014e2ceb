/* crash_file: what the two halves of crash share: crash.c (in the signal handler) and crash_start.c. */
#ifndef RUNTIME_RECOVERY_CRASH_FILE_H
#define RUNTIME_RECOVERY_CRASH_FILE_H

#include "runtime/recovery/crash.h"

/* The handler writes to it from now on, until it has another one or crash_end is called. Takes it. */
void crash_set_file(int fd, uint64_t epoch);

#endif
