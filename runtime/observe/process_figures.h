/* process_figures: what the kernel knows of this process: time, memory, files. Owns nothing. Takes a while with many
 * open files, so no loop asks. */
#ifndef RUNTIME_OBSERVE_PROCESS_FIGURES_H
#define RUNTIME_OBSERVE_PROCESS_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct process_figures {
    double cpu_seconds;
    uint64_t resident_bytes, virtual_bytes;
    uint64_t threads;
    uint64_t open_files, files_max;
} process_figures;

/* False: /proc is not there or cannot be read. */
bool process_figures_read(process_figures *out);

#endif
