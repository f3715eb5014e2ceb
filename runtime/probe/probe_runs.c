#include "runtime/probe/probe_runs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "runtime/probe/fact.h"

enum { CELLS_FIRST = 64 };
_Static_assert((CELLS_FIRST & (CELLS_FIRST - 1)) == 0, "a hash is masked by the number of cells");

static known_run *cells; /* hash table, open addressing, at most half full */
static size_t cell_count, known_count;

uint64_t lineage_of_call(uint64_t caller, uint64_t path, uint32_t generation)
{
    uint64_t lineage = XXH3_64bits_withSeed(&path, sizeof path, caller ^ (uint64_t)generation << 32);
    return lineage == LINEAGE_ROOT ? LINEAGE_ROOT + 1 : lineage;
}

/* The run's cell, or the free one where it belongs. */
static known_run *cell_of(const run_id *id)
{
    size_t i = (size_t)XXH3_64bits(id->bytes, sizeof id->bytes) & (cell_count - 1);
    while (cells[i].is_taken && memcmp(cells[i].id.bytes, id->bytes, sizeof id->bytes) != 0)
        i = (i + 1) & (cell_count - 1);
    return &cells[i];
}

static void cells_make_room(void)
{
    static const char why[] = "out of memory for the runs of an execution";
    known_run *old = cells;
    const size_t old_count = cell_count;
    if ((known_count + 1) * 2 <= cell_count) return;
    cell_count = old_count > 0 ? old_count * 2 : CELLS_FIRST;
    cells = calloc(cell_count, sizeof *cells);
    if (!cells) {
        fact_tell(&(fact){.kind = FACT_BROKEN, .text = {why, sizeof why - 1}});
        fact_exit(1);
    }
    for (size_t i = 0; i < old_count; i++)
        if (old[i].is_taken) *cell_of(&old[i].id) = old[i];
    free(old);
}

known_run *probe_run_of(const run_id *id)
{
    cells_make_room();
    known_run *r = cell_of(id);
    if (r->is_taken) return r;
    known_count++;
    assert(known_count * 2 <= cell_count); /* a free cell ends each search */
    *r = (known_run){.id = *id, .lineage = LINEAGE_ROOT, .is_taken = true};
    return r;
}

void probe_know_run(const run_id *id, uint64_t lineage) { probe_run_of(id)->lineage = lineage; }

uint64_t probe_lineage(const run_id *id) { return probe_run_of(id)->lineage; }
