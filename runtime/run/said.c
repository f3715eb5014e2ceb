#include "runtime/run/said.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

#include "runtime/base/log.h"

_Static_assert((SAID_CELLS & (SAID_CELLS - 1)) == 0, "a hash is masked by the number of cells");

static uint64_t said_hash(const char *const *texts)
{
    uint64_t hash = 0;
    int count = 0;
    for (; texts[count]; count++) hash = XXH3_64bits_withSeed(texts[count], strlen(texts[count]), hash);
    assert(count <= SAID_TEXTS_MAX);
    return hash ? hash : 1;
}

static void said_tell_full(said_set *s)
{
    if (__atomic_exchange_n(&s->is_full, true, __ATOMIC_RELAXED)) return;
    log_line(LOG_WARN, NULL,
             "steps of unfinished runs differ from the program's in %d ways: what is new from now on is not logged, but"
             " counted, and in the runs' journals",
             SAID_CELLS / 2);
}

bool said_is_new(said_set *s, const char *const *texts)
{
    uint64_t hash = said_hash(texts);
    for (size_t i = (size_t)hash & (SAID_CELLS - 1);; i = (i + 1) & (SAID_CELLS - 1)) {
        uint64_t there = __atomic_load_n(&s->cells[i], __ATOMIC_RELAXED);
        if (there == hash) return false;
        if (there != 0) continue;
        /* A free cell has to be left, or a search would not end; threads that add at a time are few. */
        if (__atomic_load_n(&s->count, __ATOMIC_RELAXED) >= SAID_CELLS / 2) {
            said_tell_full(s);
            return false;
        }
        if (__atomic_compare_exchange_n(&s->cells[i], &there, hash, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            __atomic_fetch_add(&s->count, 1, __ATOMIC_RELAXED);
            return true;
        }
        if (there == hash) return false;
    }
}
