/* The list of runs. RocksDB's iterators read the values they pass, so one that is damaged is in their way. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/rocks/rocks_core.h"

enum {
    NEWEST_AHEAD_MS = 1000,
    LAST_BITS = 16 /* of an id: slot and loop, which tell no ids of one moment apart that the bits before do not */
};

typedef unsigned __int128 id_number; /* an id as a number: they are in the same order */

static id_number number_of(const run_id *id)
{
    return (id_number)rocks_get_be(id->bytes, 8) << 64 | rocks_get_be(id->bytes + 8, 8);
}

static run_id id_of(id_number n)
{
    run_id id = {{0}};
    rocks_put_be(id.bytes, (uint64_t)(n >> 64), 8);
    rocks_put_be(id.bytes + 8, (uint64_t)n, 8);
    return id;
}

/* To the last segment of the run before `id`, past every key of that run: the values of `id` are not read. False: there
 * can be none. */
static bool seek_before(rocksdb_iterator_t *it, const run_id *id)
{
    uint8_t key[ROCKS_KEY_BYTES];
    id_number n = number_of(id);
    if (n == 0) return false;
    run_id before = id_of(n - 1);
    rocks_segment_key(key, &before, UINT32_MAX);
    rocksdb_iter_seek_for_prev(it, (const char *)key, sizeof key);
    return true;
}

/* From the segments, newest first; *all false: a value that could not be read was in the way, and what is older than
 * `ids[n - 1]` is not known. */
static size_t list_segments(rocks *r, const run_id *before, size_t limit, run_id *ids, bool *all)
{
    size_t n = 0;
    char *why = NULL;
    rocksdb_iterator_t *it = rocks_iterate(r, ROCKS_TABLE_SEGMENTS);
    bool more = true;
    if (before)
        more = seek_before(it, before);
    else
        rocksdb_iter_seek_to_last(it);
    while (more && n < limit && rocksdb_iter_valid(it)) {
        const uint8_t *at = rocks_key_of(it, ROCKS_KEY_BYTES);
        if (!at) break;
        memcpy(ids[n].bytes, at, RUN_ID_BYTES);
        more = n + 1 < limit && seek_before(it, &ids[n]);
        n++;
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

typedef enum look { LOOK_RUN, LOOK_NONE, LOOK_DAMAGE } look;

/* The newest run before that point. */
static look look_before(rocks *r, id_number point, run_id *out)
{
    bool all;
    run_id from = id_of(point);
    if (list_segments(r, &from, 1, out, &all) == 1) return LOOK_RUN;
    return all ? LOOK_NONE : LOOK_DAMAGE;
}

/* The newest run that is older than `id` and can be read, when the next one cannot: nobody tells which that is. Steps
 * back that double find a point behind it, halves of the last step the nearest one. Of several damaged runs it may be
 * any that is found, and those between them are passed over. */
static bool run_behind_damage(rocks *r, const run_id *id, run_id *out)
{
    id_number start = number_of(id), bad = start, good = start, back = (id_number)1 << LAST_BITS;
    look found = LOOK_DAMAGE;
    for (; found == LOOK_DAMAGE; back *= 2) {
        bad = good;
        good = back < start ? start - back : 0; /* before that there is nothing */
        found = look_before(r, good, out);
    }
    while ((bad - good) >> LAST_BITS > 1) {
        run_id nearer;
        id_number middle = good + (bad - good) / 2;
        look there = look_before(r, middle, &nearer);
        if (there == LOOK_DAMAGE) {
            bad = middle;
            continue;
        }
        good = middle;
        found = there;
        if (there == LOOK_RUN) *out = nearer;
    }
    return found == LOOK_RUN;
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
        if (!run_behind_damage(r, n > 0 ? &ids[n - 1] : before ? before : &newest, &ids[n])) break;
        n++;
    }
    return n;
}

/* Both lists descend; `to` gets the newest of them, each once. */
static size_t merge_ids(const run_id *a, size_t a_count, const run_id *b, size_t b_count, run_id *to, size_t limit)
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
        if (live >= 0) live = (long)merge_ids(found, n, found + n, (size_t)live, ids, limit);
        rocks_read_end(r);
    }
    free(found);
    return live;
}
