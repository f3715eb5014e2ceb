#include "storage/live_filter.h"

#include <assert.h>
#include <string.h>

enum { ROWS_AT_ONCE = 256 };

/* Ids on their way from the oldest to the newest: those that are kept gather at the end. */
typedef struct sieve {
    run_id *ids;
    size_t count, left; /* `left` are not dealt with */
    size_t kept;
} sieve;

static void sieve_keep(sieve *s)
{
    assert(s->left > 0);
    s->kept++;
    s->left--;
    s->ids[s->count - s->kept] = s->ids[s->left];
}

/* Deals with the ids up to that of a live run. */
static void sieve_pass(sieve *s, const run_id *live)
{
    while (s->left > 0 && run_id_compare(&s->ids[s->left - 1], live) < 0) sieve_keep(s);
    if (s->left > 0 && run_id_equal(&s->ids[s->left - 1], live)) s->left--;
}

/* The id before this one, from which on a scan begins with this one; false: there is none. */
static bool id_before(run_id *id)
{
    for (int i = RUN_ID_BYTES - 1; i >= 0; i--)
        if (id->bytes[i]-- != 0) return true;
    return false;
}

long live_filter_ended(backend *b, run_id *ids, size_t count, const char **error)
{
    store_live_row rows[ROWS_AT_ONCE];
    sieve s = {.ids = ids, .count = count, .left = count};
    bool end = count == 0, has_after;
    run_id after = {{0}};
    if (count > 0) after = ids[count - 1];
    has_after = count > 0 && id_before(&after);
    while (s.left > 0 && !end) {
        const store_live_range range = {has_after ? &after : NULL, ROWS_AT_ONCE, 0, 1, NULL};
        long n = b->ops->scan_live(b, &range, rows, &end, error);
        if (n < 0) return -1;
        for (long i = 0; i < n; i++) sieve_pass(&s, &rows[i].run);
        if (n > 0) after = rows[n - 1].run;
        has_after = true;
    }
    while (s.left > 0) sieve_keep(&s);
    if (s.kept > 0) memmove(ids, ids + count - s.kept, s.kept * sizeof *ids);
    return (long)s.kept;
}
