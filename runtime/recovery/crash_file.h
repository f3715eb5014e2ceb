/* crash_file: what the two halves of crash share: crash.c (in the signal handler) and crash_start.c. */
#ifndef RUNTIME_RECOVERY_CRASH_FILE_H
#define RUNTIME_RECOVERY_CRASH_FILE_H

#include "runtime/recovery/crash.h"

/* Has the signal handler write to `fd`, until it gets another one or crash_end is called; -1: it writes nothing. Takes
 * the descriptor. `epoch`: of the process's store. */
void crash_set_file(int fd, uint64_t epoch);

#endif
