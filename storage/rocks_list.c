/* The list of runs. RocksDB's iterators read the values they pass, so one that is damaged is in their way. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/rocks_core.h"

enum { NEWEST_AHEAD_MS = 1024 }; /* a power of two, as the steps back are */

/* Moves the iterator, which points into a run's segments, to the last segment of the run before it. */
static void previous_run(rocksdb_iterator_t *it, const run_id *id)
{
    uint8_t key[ROCKS_KEY_BYTES];
    rocks_segment_key(key, id, 0);
    rocksdb_iter_seek_for_prev(it, (const char *)key, sizeof key);
    const uint8_t *at = rocksdb_iter_valid(it) ? rocks_key_of(it, ROCKS_KEY_BYTES) : NULL;
    if (at && memcmp(at, id->bytes, RUN_ID_BYTES) == 0) rocksdb_iter_prev(it);
}

/* From the segments, newest first; *all false: a value that could not be read was in the way, and what is older than
 * `ids[n - 1]` is not known. */
static size_t list_segments(rocks *r, const run_id *before, size_t limit, run_id *ids, bool *all)
{
    size_t n = 0;
    char *why = NULL;
    rocksdb_iterator_t *it = rocks_iterate(r, ROCKS_TABLE_SEGMENTS);
    if (before)
        previous_run(it, before);
    else
        rocksdb_iter_seek_to_last(it);
    for (; n < limit && rocksdb_iter_valid(it); n++) {
        const uint8_t *at = rocks_key_of(it, ROCKS_KEY_BYTES);
        if (!at) break;
        memcpy(ids[n].bytes, at, RUN_ID_BYTES);
        previous_run(it, &ids[n]);
    }
    rocksdb_iter_get_error(it, &why); /* told by whoever loads the run */
    rocksdb_iter_destroy(it);
    *all = why == NULL;
    if (why) rocksdb_free(why);
    return n;
}

/* Runs that have not ended, newest first: small rows, which tell of a run also when its segments cannot be read. */
static long list_live(rocks *r, const run_id *before, size_t limit, run_id *ids, const char **error)
{
    long n = 0;
    rocksdb_iterator_t *it = rocks_iterate(r, ROCKS_TABLE_LIVE);
    if (before)
        rocksdb_iter_seek_for_prev(it, (const char *)before->bytes, RUN_ID_BYTES);
    else
        rocksdb_iter_seek_to_last(it);
    for (; (size_t)n < limit && rocksdb_iter_valid(it); rocksdb_iter_prev(it)) {
        const uint8_t *at = rocks_key_of(it, RUN_ID_BYTES);
        if (!at || (before && memcmp(at, before->bytes, RUN_ID_BYTES) == 0)) continue;
        memcpy(ids[n++].bytes, at, RUN_ID_BYTES);
    }
    return rocks_iterated(it, error) ? n : -1;
}

/* The newest run that is older than `id` and can be read, by steps back in time that double: which runs they pass over
 * cannot be known. False: there is none. */
static bool run_behind(rocks *r, const run_id *id, run_id *out)
{
    for (uint64_t ms = (uint64_t)run_id_time_ms(id), back = 1; back <= ms; back *= 2) {
        run_id from = {{0}};
        bool all;
        rocks_put_be(from.bytes, ms - back, 6);
        if (list_segments(r, &from, 1, out, &all) == 1) return true;
        if (all) return false;
    }
    return false;
}

/* What can be read of the segments, damage or not. */
static size_t list_readable(rocks *r, const run_id *before, size_t limit, run_id *ids)
{
    bool all = false;
    size_t n = 0;
    run_id newest = {{0}}; /* about */
    rocks_put_be(newest.bytes, (uint64_t)time(NULL) * 1000 + NEWEST_AHEAD_MS, 6);
    while (n < limit && !all) {
        n += list_segments(r, n > 0 ? &ids[n - 1] : before, limit - n, ids + n, &all);
        if (all || n == limit) break;
        if (!run_behind(r, n > 0 ? &ids[n - 1] : before ? before : &newest, &ids[n])) break;
        n++;
    }
    return n;
}

/* Both lists descend; `to` gets the newest of them, each once. */
static size_t merge(const run_id *a, size_t a_count, const run_id *b, size_t b_count, run_id *to, size_t limit)
{
    size_t n = 0, i = 0, k = 0;
    while (n < limit && (i < a_count || k < b_count)) {
        int order = i == a_count ? -1 : k == b_count ? 1 : memcmp(a[i].bytes, b[k].bytes, RUN_ID_BYTES);
        to[n++] = order >= 0 ? a[i] : b[k];
        if (order >= 0) i++;
        if (order <= 0) k++;
    }
    return n;
}

long rocks_list(backend *b, const run_id *before, size_t limit, run_id *ids, const char **error)
{
    rocks *r = rocks_of(b);
    run_id *found = malloc(2 * limit * sizeof *found);
    long live = -1;
    if (!found) {
        *error = "out of memory";
        return -1;
    }
    if (rocks_read_begin(r, error)) {
        size_t n = list_readable(r, before, limit, found);
        live = list_live(r, before, limit, found + n, error);
        if (live >= 0) live = (long)merge(found, n, found + n, (size_t)live, ids, limit);
        rocks_read_end(r);
    }
    free(found);
    return live;
}
