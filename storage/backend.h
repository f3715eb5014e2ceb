/* backend: what a database does for the store: one table of functions. storage/rocks/rocks.c is the embedded one,
 * storage/memory/ one for tests. A backend's own struct begins with `backend`. It owns the database and what lies
 * round it (folder, secret); it knows no threads of the store and never calls back but in `scan` and `glance`.
 *
 * Who calls: `commit`, `reopen`, `find_commit` and `try_write` come from the journal thread alone; `swept`,
 * `set_swept` and the sweeps from the sweeper alone; everything else from any thread, at any time between open and
 * close. Texts that come back through `const char **error` are static. */
#ifndef STORAGE_BACKEND_H
#define STORAGE_BACKEND_H

#include "storage/clock_belief.h"
#include "storage/store.h"

enum { BACKEND_ERROR_MAX = 512, BACKEND_EXPIRY_KINDS = 2, BACKEND_EXPIRY_BYTES = 1 + 8 + RUN_ID_BYTES };

typedef struct backend {
    const struct backend_ops *ops;
} backend;

/* Where a round of retention stands. The caller's, zeroed once; what is in it is the backend's. */
typedef struct backend_sweep {
    uint8_t expiry_from[BACKEND_EXPIRY_KINDS][BACKEND_EXPIRY_BYTES]; /* of this round */
    run_id bytes_from;                                               /* of this round */
    run_id walk_from; /* kept between rounds: what needs no expiry row is dealt with up to here */
    int64_t now_ms;
    int64_t older_than_ms; /* runs without a retention of their own that ended before */
    bool done;             /* the last call found nothing more to look at */
} backend_sweep;

/* Key and value are borrowed for the call. */
typedef void backend_on_row(void *arg, store_bytes key, store_bytes value);

/* From which end of a run's journal a segment was read; it is borrowed for the call. False: enough from this end. */
typedef enum backend_end { BACKEND_FIRST, BACKEND_LAST } backend_end;
typedef bool backend_on_segment(void *arg, backend_end end, uint32_t seq, store_bytes segment);

typedef struct backend_ops {
    /* Frees the backend; what was committed stays. */
    void (*close)(backend *b);
    uint64_t (*epoch)(const backend *b);        /* goes up by one with each open */
    const char *(*node)(const backend *b);      /* made once and kept */
    const uint8_t *(*secret)(const backend *b); /* STORE_SECRET_BYTES, made once and kept */
    int64_t (*wall_ms)(const backend *b);       /* the clock that retention goes by, Unix ms */
    /* The highest wall clock of all commits before it was opened, but for those of the last second; 0: unknown. */
    int64_t (*seen_ms)(const backend *b);
    /* It was opened for reading alone, since its disk takes no writes: every commit is refused until `reopen`. */
    bool (*is_read_only)(const backend *b);
    /* After `reopen` has failed: another process has the database, or has had it since it was opened here. It never
     * opens again, and is not read any more. */
    bool (*is_fenced)(const backend *b);
    /* See store_backup. STORE_BACKUP_FAILED, with a message, where the database has to be copied by its own tools. */
    store_backup_result (*backup)(backend *b, const char *to, uint64_t *bytes, char *error, size_t error_size);

    /* ---- Writing ---- */

    /* All of the list as one batch, synced: after a crash all of it is there or nothing. A group (see store_segment's
     * `joined`) of which an insert finds its key taken is left out as a whole; the others are written. Rows take
     * effect in the order of the list, so that an insert sees what came before it. Sets each segment's `outcome` to
     * STORE_DONE or STORE_KEY_TAKEN, and returns for the batch, with a message unless it is done:
     * STORE_DONE: it is on disk.
     * STORE_REFUSED: nothing of it is there, nor will be.
     * STORE_UNKNOWN: it is there or not; reads do not see it. Until `reopen` has succeeded every commit is refused or
     * unknown, and then find_commit tells.
     * STORE_FENCED (reserved): another node has taken this one's runs over, nothing of it is there. */
    store_outcome (*commit)(backend *b, store_segment *list, int64_t now_ms, char *error, size_t error_size);
    /* After a commit that was not done: makes the database take commits again. Reads may fail for its time, and go on
     * while it fails. False: not yet, with a message, or with none when that was to be expected. */
    bool (*reopen)(backend *b, char *error, size_t error_size);
    /* After reopen: whether the last commit of unknown outcome, which was this list, is there: *there. It is then
     * durable, else it never comes back. False: it could not be read. */
    bool (*find_commit)(backend *b, const store_segment *list, bool *there, const char **error);
    /* A synced write of some size. */
    bool (*try_write)(backend *b, char *error, size_t error_size);
    /* The run with all of its rows but those of named tables; its key too, unless that leads to another run. */
    bool (*delete_run)(backend *b, const run_id *id, const char **error);

    /* ---- Reading: what is committed ---- */

    /* `out->run` is set, the rest zero; fills it, `data` malloc'd. Live row and segments are of one moment. A journal
     * of more than bytes_max (0: no limit) is cut between two segments: `out->cut`. */
    void (*load)(backend *b, store_journal *out, size_t bytes_max);
    /* `out->run` is set; fills found, live, due_ms and error. Tells the run's segments from the first on until that is
     * enough, then from the last one back until that is, or all were told: each at most once, as of the same moment as
     * the live row. No other values are read. */
    void (*glance)(backend *b, store_summary *out, backend_on_segment *on_segment, void *arg);
    /* Return the count of rows, or -1 with *error. */
    long (*scan_live)(backend *b, const run_id *after, size_t limit, unsigned loop, unsigned loops,
                      store_live_row *rows, bool *end, const char **error);
    /* Newest first. A run whose segments cannot be read is there for its live row. */
    long (*list)(backend *b, const run_id *before, size_t limit, run_id *ids, const char **error);
    /* *end: there are no more in the range. A table in which nothing was ever written has no rows. */
    long (*scan)(backend *b, const store_range *range, backend_on_row *on_row, void *arg, bool *end,
                 const char **error);
    /* True: found. False, and *error set if it could not be read. */
    bool (*find_key)(backend *b, const uint8_t hash[STORE_KEY_BYTES], store_key_row *out, const char **error);

    /* ---- Retention ---- */

    /* What retention believed of the time when it last looked; zeros: never, or it cannot be read. */
    void (*swept)(backend *b, clock_belief *out);
    void (*set_swept)(backend *b, const clock_belief *belief);
    void (*sweep_begin)(backend_sweep *s, int64_t now_ms, int64_t store_ms);
    /* Looks at up to `limit` rows of each kind and deletes the runs whose time has come. How many, -1 on an error. */
    long (*sweep_age)(backend *b, backend_sweep *sweep, size_t limit);
    /* Looks at up to `limit` of the oldest runs and deletes those that have ended, until about `bytes` are freed. */
    long (*sweep_bytes)(backend *b, backend_sweep *sweep, uint64_t bytes, size_t limit, uint64_t *freed);
    /* Gives what sweep_bytes has freed back to the file system. */
    void (*sweep_give_back)(backend *b, const backend_sweep *sweep);
    uint64_t (*disk_bytes)(backend *b);
} backend_ops;

#endif
