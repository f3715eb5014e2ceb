/* load_quota: how many bytes of journals come to memory at a time in one home (--journal-load-max), however many runs
 * are due or asked for at one moment. Counts reads under way, each of which may bring a part of the limit, and journals
 * of runs that were resumed and have not got on: what they have made is not on disk yet. It counts journals, too, that
 * are read again as soon as their rows of suspicion are on disk (runtime/run/suspects.h). A run that waits for anything
 * else has got on, so nobody waits for it here. One journal that has no room in such a part is read alone.
 *
 * Runs that are due come back in their order. So they are read by one read at a time, until one has brought as many as
 * a read can be for, and again as soon as one has left some; the next is for twice as many as that one has brought.
 * Owns nothing. */
#ifndef RUNTIME_RUN_LOAD_QUOTA_H
#define RUNTIME_RUN_LOAD_QUOTA_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "storage/run_id.h"

enum {
    LOAD_READS_MAX = 4, /* at a time */
    LOAD_RUNS_MAX = 256 /* of one read */
};

typedef struct load_quota {
    size_t bytes_max;
    size_t reads;         /* under way */
    size_t due_reads;     /* of these, with runs that are due */
    size_t due_most;      /* how many runs that are due the next read is for */
    bool reads_wide;      /* runs that are due have room: there may be several such reads */
    size_t resumed_bytes; /* of runs that were resumed and have not got on */
    size_t raising_bytes; /* of runs whose rows of suspicion are being written */
    run_id large;         /* the run whose journal is to be read alone, or is being read */
    bool has_large, reads_large;
} load_quota;

static inline void load_quota_init(load_quota *q, size_t bytes_max)
{
    *q = (load_quota){.bytes_max = bytes_max, .due_most = LOAD_RUNS_MAX};
}

/* What one read may bring. */
static inline size_t load_quota_share(const load_quota *q) { return q->bytes_max / LOAD_READS_MAX; }

/* Of runs that are back, or will be next, and have not got on. */
static inline size_t load_quota_back_bytes(const load_quota *q) { return q->resumed_bytes + q->raising_bytes; }

/* Whether a run may go on whose journal was read without that being known: it was asked for. */
static inline bool load_quota_has_room_for(const load_quota *q, size_t bytes)
{
    size_t others_bytes = load_quota_back_bytes(q) + q->reads * load_quota_share(q);
    return others_bytes == 0 || others_bytes + bytes <= q->bytes_max;
}

/* Whether one more read may begin; `resumes`: also of journals whose runs are to go on. */
static inline bool load_quota_has_room(const load_quota *q, bool resumes)
{
    if (q->reads >= LOAD_READS_MAX || q->reads_large) return false;
    size_t back_bytes = load_quota_back_bytes(q);
    bool is_first = q->reads == 0 && back_bytes == 0;
    return !resumes || is_first || back_bytes + (q->reads + 1) * load_quota_share(q) <= q->bytes_max;
}

/* Whether one more run that is due may be in the next read, for which `taken` of them have been taken. */
static inline bool load_quota_takes_due(const load_quota *q, size_t taken)
{
    return taken < q->due_most && (taken > 0 || q->due_reads == 0 || q->reads_wide);
}

/* A read of `count` runs is over, some of which were due; it has brought `whole` of their journals. */
static inline void load_quota_end_due_read(load_quota *q, size_t count, size_t whole)
{
    assert(q->due_reads > 0 && whole <= count && count <= LOAD_RUNS_MAX);
    q->due_reads--;
    bool has_left = whole < count, is_full = count >= q->due_most;
    q->reads_wide = !has_left && (q->reads_wide || count == LOAD_RUNS_MAX);
    if (has_left || is_full) q->due_most = whole > 0 ? 2 * whole : 1;
    if (q->due_most > LOAD_RUNS_MAX) q->due_most = LOAD_RUNS_MAX;
}

/* Whether the run's journal had no room in a read: it is to be read alone. */
static inline bool load_quota_is_large(const load_quota *q, const run_id *id)
{
    return q->has_large && run_id_equal(&q->large, id);
}

/* The journal that is to be read alone is read now, alone. */
static inline void load_quota_take_large(load_quota *q)
{
    q->has_large = false;
    q->reads_large = true;
}

/* A read is over, of which the run's journal was the first; `is_left`: there was no room for it. */
static inline void load_quota_end_read(load_quota *q, const run_id *first, bool is_left)
{
    assert(q->reads > 0);
    q->reads--;
    if (q->reads_large && run_id_equal(&q->large, first)) q->reads_large = false;
    if (!is_left || q->reads_large) return;
    q->large = *first;
    q->has_large = true;
}

#endif
