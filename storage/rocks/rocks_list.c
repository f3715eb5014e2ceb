/* The list of runs. RocksDB's iterators read the values that they pass, and stop at a damaged one. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/rocks/rocks_core.h"

enum {
    NEWEST_AHEAD_MS = 1000,
    GAP_PAGE = 256,
    LAST_BITS = 16 /* of an id: node number and loop. Two ids of one moment differ in the bits before */
};

typedef unsigned __int128 id_number; /* an id as a number: numbers and ids are in one order */
_Static_assert(sizeof(id_number) == RUN_ID_BYTES, "all of an id");

static id_number number_of(const run_id *id)
{
    return (id_number)row_get_be(id->bytes, 8) << 64 | row_get_be(id->bytes + 8, 8);
}

static run_id id_of(id_number n)
{
    run_id id = {{0}};
    row_put_be(id.bytes, (uint64_t)(n >> 64), 8);
    row_put_be(id.bytes + 8, (uint64_t)n, 8);
    return id;
}

/* Moves the iterator to the last key before those of `id`, and reads no value of `id`. False: no id is before it. */
static bool seek_before(rocksdb_iterator_t *it, const run_id *id)
{
    uint8_t key[ROW_SEGMENT_KEY_BYTES];
    id_number n = number_of(id);
    if (n == 0) return false;
    run_id before = id_of(n - 1);
    row_segment_key(key, &before, UINT32_MAX);
    rocksdb_iter_seek_for_prev(it, (const char *)key, sizeof key);
    return true;
}

/* Lists runs by their segments, the newest first. *all false: a value could not be read, and the runs older than
 * `ids[n - 1]` are not known. */
static size_t list_segments(rocks *r, const run_id *before, size_t limit, run_id *ids, bool *all)
{
    size_t n = 0;
    char *why = NULL;
    rocksdb_iterator_t *it = rocks_iterate(r, ROCKS_TABLE_SEGMENTS);
    bool more = true;
    assert(limit > 0);
    if (before)
        more = seek_before(it, before);
    else
        rocksdb_iter_seek_to_last(it);
    while (more && n < limit && rocksdb_iter_valid(it)) {
        const uint8_t *at = rocks_key_of(it, ROW_SEGMENT_KEY_BYTES);
        if (!at) break;
        memcpy(ids[n].bytes, at, RUN_ID_BYTES);
        more = n + 1 < limit && seek_before(it, &ids[n]);
        n++;
    }
    rocksdb_iter_get_error(it, &why); /* not logged: whoever loads the run meets it again */
    rocksdb_iter_destroy(it);
    *all = why == NULL;
    if (why) rocksdb_free(why);
    return n;
}

/* Lists runs that have not ended, the newest first, by their live rows: these are small, and tell of a run also when
 * its segments cannot be read. */
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

/* Finds the newest run that is older than `id` and can be read, when the next older run cannot: RocksDB does not tell
 * which run that is. Steps back, each twice as long, find a point behind the damage; halves of the last step find the
 * nearest such point. With several damaged runs that point may lie behind any of them, and the runs in between are
 * passed over. */
static bool run_behind_damage(rocks *r, const run_id *id, run_id *out)
{
    id_number start = number_of(id), bad = start, good = start, back = (id_number)1 << LAST_BITS;
    look found = LOOK_DAMAGE;
    for (; found == LOOK_DAMAGE; back *= 2) {
        bad = good;
        good = back > 0 && back < start ? start - back : 0; /* back 0: the step has overflowed; no id is before 0 */
        found = look_before(r, good, out);
    }
    assert(good <= bad);
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

/* Above all ids made so far, unless the clock was set back. */
static run_id newest_id(void)
{
    run_id newest = {{0}};
    row_put_be(newest.bytes, (uint64_t)time(NULL) * 1000 + NEWEST_AHEAD_MS, 6);
    return newest;
}

/* Lists runs by their segments, the newest first, and goes around damage. */
static size_t list_readable(rocks *r, const run_id *before, size_t limit, run_id *ids)
{
    bool all = false;
    size_t n = 0;
    run_id newest = newest_id();
    while (n < limit && !all) {
        n += list_segments(r, n > 0 ? &ids[n - 1] : before, limit - n, ids + n, &all);
        if (all || n == limit) break;
        if (!run_behind_damage(r, n > 0 ? &ids[n - 1] : before ? before : &newest, &ids[n])) break;
        n++;
    }
    return n;
}

typedef struct id_list {
    const run_id *ids;
    size_t count;
} id_list;

/* Merges two descending lists of ids: `to` gets the newest, each once. */
static size_t merge_ids(id_list a, id_list b, run_id *to, size_t limit)
{
    size_t n = 0, i = 0, k = 0;
    while (n < limit && (i < a.count || k < b.count)) {
        int order = i == a.count ? -1 : k == b.count ? 1 : run_id_compare(&a.ids[i], &b.ids[k]);
        to[n++] = order >= 0 ? a.ids[i] : b.ids[k];
        if (order >= 0) i++;
        if (order <= 0) k++;
    }
    assert(i <= a.count && k <= b.count);
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
        if (live >= 0) live = (long)merge_ids((id_list){found, n}, (id_list){found + n, (size_t)live}, ids, limit);
        rocks_read_end(r);
    }
    free(found);
    return live;
}

bool rocks_find_gaps(backend *b, rocks_on_gap *on_gap, void *arg, const char **error)
{
    rocks *r = rocks_of(b);
    run_id page[GAP_PAGE], at = newest_id(), behind;
    bool all = false, more = true, is_first = true;
    if (!rocks_read_begin(r, error)) return false;
    while (more) {
        size_t n = list_segments(r, is_first ? NULL : &at, GAP_PAGE, page, &all);
        if (n > 0) at = page[n - 1];
        more = n == GAP_PAGE;
        if (!all) {
            more = run_behind_damage(r, &at, &behind);
            on_gap(arg, is_first && n == 0 ? NULL : &at, more ? &behind : NULL);
            if (more) at = behind;
        }
        is_first = false;
    }
    rocks_read_end(r);
    return true;
}
