/* probe_runs: which runs an execution under --prove has: the one that its request has begun, and those that runs have
 * called. Each has a *lineage*, how it came to be called, which is the same in each execution and each proof, while its
 * id is another in each proof. Owns its table. On the thread of the only loop, or before there is another thread. */
#ifndef RUNTIME_PROBE_PROBE_RUNS_H
#define RUNTIME_PROBE_PROBE_RUNS_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/run_id.h"

/* Of the run that nobody has called. */
static const uint64_t LINEAGE_ROOT = 0;

/* The lineage of a run that a run of lineage `caller` has called, at that path. `generation`: how often it had made
 * that call before. */
uint64_t lineage_of_call(uint64_t caller, uint64_t path, uint32_t generation);

typedef struct known_run {
    run_id id;
    uint64_t lineage;
    bool has_signals; /* this process has sent it those of --prove-signal */
    bool is_taken;    /* the cell is */
} known_run;

/* Notes the lineage of a run. Without memory the execution ends, and says so. */
void probe_know_run(const run_id *id, uint64_t lineage);
/* Returns what is known of a run, until the next call of these; one that was not noted nobody has called. */
known_run *probe_run_of(const run_id *id);
uint64_t probe_lineage(const run_id *id);

#endif
