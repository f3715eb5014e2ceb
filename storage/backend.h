/* backend: what a database does for the store: one table of functions. storage/rocks/ is the embedded database,
 * storage/memory/ one for tests and --prove. A backend's own struct begins with `backend`. A backend owns the database
 * and what lies around it (folder, secret); it knows no threads of the store and never calls back but in `scan` and
 * `glance`.
 *
 * Who calls: `commit`, `reopen`, `find_commit` and `try_write` come from the journal thread alone; `write_rows`
 * and `drop_index` from the indexer alone; `swept`, `set_swept` and the sweeps from the sweeper alone; everything else
 * from any thread, at any time between open and close. Texts that come back through `const char **error` are static. */
#ifndef STORAGE_BACKEND_H
#define STORAGE_BACKEND_H

#include "storage/clock_belief.h"
#include "storage/store.h"

enum { BACKEND_ERROR_MAX = 512, BACKEND_EXPIRY_BYTES = 1 + 8 + RUN_ID_BYTES };

/* First byte of a row in the expiry table: what the time in the row means. */
typedef enum backend_expiry {
    BACKEND_EXPIRY_STORE, /* the run's end: the store's retention is counted from there, and may change */
    BACKEND_EXPIRY_OWN,   /* when the run is to be deleted */
    BACKEND_EXPIRY_KINDS
} backend_expiry;

typedef struct backend {
    const struct backend_ops *ops;
} backend;

/* Where a round of retention stands. The struct is the caller's, zeroed once; its members are the backend's. */
typedef struct backend_sweep {
    uint8_t expiry_from[BACKEND_EXPIRY_KINDS][BACKEND_EXPIRY_BYTES]; /* of this round */
    run_id bytes_from;                                               /* of this round */
    run_id walk_from; /* not of this round: up to here no run without an expiry row is left to be deleted */
    int64_t now_ms;
    int64_t older_than_ms; /* runs without a retention of their own that ended before */
    bool done;             /* the last call found nothing more to look at */
    run_id *deleted;       /* the caller's: gets the runs that the last call has deleted. NULL: nobody asks */
    size_t deleted_count;
} backend_sweep;

/* How many runs one call deletes at most, if it looks at up to `limit` rows of each kind. */
enum { BACKEND_SWEEP_KINDS = BACKEND_EXPIRY_KINDS + 1 };

static inline void backend_sweep_note(backend_sweep *s, const run_id *id)
{
    if (s->deleted) s->deleted[s->deleted_count++] = *id;
}

/* Key and value are borrowed for the call. */
typedef void backend_on_row(void *arg, store_bytes key, store_bytes value);

/* From which end of a run's journal a segment was read. The segment is borrowed for the call. Returns false: that is
 * enough from this end. */
typedef enum backend_end { BACKEND_FIRST, BACKEND_LAST } backend_end;
typedef bool backend_on_segment(void *arg, backend_end end, uint32_t seq, store_bytes segment);

/* How a scan of a named table ended. */
typedef enum backend_scan {
    BACKEND_SCAN_FAILED, /* *error says why */
    BACKEND_SCAN_MORE,   /* rows_max or bytes_max was reached */
    BACKEND_SCAN_END     /* there are no more rows in the range */
} backend_scan;

typedef struct backend_ops {
    /* Frees the backend; what was committed stays. */
    void (*close)(backend *b);
    uint64_t (*epoch)(const backend *b);         /* goes up by one with each open */
    const char *(*node)(const backend *b);       /* this node's name, made with the database */
    const cluster *(*cluster)(const backend *b); /* which node owns which runs; the backend's */
    const uint8_t *(*secret)(const backend *b);  /* STORE_SECRET_BYTES, made with the database */
    int64_t (*wall_ms)(const backend *b);        /* the clock that retention goes by, Unix ms */
    /* The highest wall clock of the commits before the database was opened, but for those of the last second; 0:
     * unknown.
     */
    int64_t (*seen_ms)(const backend *b);
    /* True: the database is open for reading alone, since its disk takes no writes. Each commit is refused until
     * `reopen`.
     */
    bool (*is_read_only)(const backend *b);
    /* To be asked after `reopen` has failed. True: another process has the database, or has had it since it was opened
     * here. Then `reopen` never succeeds, and nothing is read any more. */
    bool (*is_fenced)(const backend *b);
    /* See store_backup. STORE_BACKUP_FAILED, with a message, where the database has to be copied by its own tools. */
    store_backup_result (*backup)(backend *b, const char *to, uint64_t *bytes, char *error, size_t error_size);

    /* ---- Writing ---- */

    /* Writes the list as one batch, synced: after a crash all of the batch is there or nothing. A group
     * (store_segment's `joined`) of which an insert finds its key taken is left out as a whole; the others are written.
     * Rows take effect in the order of the list, so that an insert sees the rows before it. A segment that reopens a
     * run (STORE_LIVE_REOPEN) is left out if the run is not there, or the sweeper deletes it at this moment. Sets each
     * segment's `outcome` to STORE_DONE, STORE_KEY_TAKEN or STORE_GONE. Returns the outcome of the batch, with a
     * message unless it is STORE_DONE: STORE_DONE: the batch is on disk. STORE_REFUSED: nothing of the batch is on
     * disk, nor will be. STORE_UNKNOWN: the batch is on disk or not; reads do not see it. Until `reopen` has succeeded
     * each commit is refused or unknown; after that find_commit tells. STORE_FENCED (reserved): another node has taken
     * this one's runs over; nothing of the batch is there. */
    store_outcome (*commit)(backend *b, store_segment *list, int64_t now_ms, char *error, size_t error_size);
    /* After a commit that was not done: makes the database take commits again. While it works reads may fail; when it
     * has failed, they succeed as before. False: not yet, with a message, or with none when that was to be expected. */
    bool (*reopen)(backend *b, char *error, size_t error_size);
    /* After reopen: *there tells whether the last commit of unknown outcome, which was this list, is on disk. If so, it
     * is durable; if not, it never comes back. False: the database could not be read. */
    bool (*find_commit)(backend *b, const store_segment *list, bool *there, const char **error);
    /* Writes rows of the table `index`, puts and deletions, as one batch, synced: what is not synced could be lost
     * beside a record behind it, and look like damage. Between commits, not within one. False with a message: nobody
     * knows whether the rows are there. */
    bool (*write_rows)(backend *b, const store_row *rows, const char **error);
    /* Deletes all rows of the table `index`, reading none: so also those that are damaged. False with a message. */
    bool (*drop_index)(backend *b, const char **error);
    /* Writes some KiB, synced. False with a message. */
    bool (*try_write)(backend *b, char *error, size_t error_size);
    /* Deletes the run with all of its rows; its key too, unless the key leads to another run. Of named tables only rows
     * of KIN_TABLE go, its own and those that lead to it, and its own of STORE_MARKS_TABLE. False with a message:
     * nothing is deleted. */
    bool (*delete_run)(backend *b, const run_id *id, const char **error);

    /* ---- Reading: what is committed ---- */

    /* Fills *out, of which `run` is set and the rest zero; `data` is malloc'd. Live row and segments are of one moment.
     * A journal of more than bytes_max (0: no limit) is cut between two segments: `out->cut`. */
    void (*load)(backend *b, store_journal *out, size_t bytes_max);
    /* `out->run` is set; fills found, live, due_ms and error. Calls on_segment with the run's segments from the first
     * on until on_segment returns false, then from the last one back until on_segment returns false or all were told:
     * each at most once, as of one moment with the live row. No other values are read. `is_closed`: none could be. */
    void (*glance)(backend *b, store_summary *out, backend_on_segment *on_segment, void *arg);
    /* These two return how many rows or ids they have read, or -1 with *error. */
    long (*scan_live)(backend *b, const store_live_range *range, store_live_row *rows, bool *end, const char **error);
    /* Ids, the newest first. A run whose segments cannot be read is found by its live row. */
    long (*list)(backend *b, const run_id *before, size_t limit, run_id *ids, const char **error);
    /* Calls on_row for each row. A table that was never written to has no rows. */
    backend_scan (*scan)(backend *b, const store_range *range, backend_on_row *on_row, void *arg, const char **error);
    /* True: found. False: no run has the key, or, with *error set, it could not be read. */
    bool (*find_key)(backend *b, const uint8_t hash[STORE_KEY_BYTES], store_key_row *out, const char **error);

    /* ---- Retention ---- */

    /* What retention believed of the time when it last looked; zeros: never, or it cannot be read. */
    void (*swept)(backend *b, clock_belief *out);
    void (*set_swept)(backend *b, const clock_belief *belief);
    /* Begins a round at now_ms: runs without a retention of their own go store_ms after their end. */
    void (*sweep_begin)(backend_sweep *s, int64_t now_ms, int64_t store_ms);
    /* Looks at up to `limit` rows of each kind and deletes the runs whose time has come. Returns how many; -1: an
     * error. */
    long (*sweep_age)(backend *b, backend_sweep *sweep, size_t limit);
    /* Looks at up to `limit` of the oldest runs and deletes those that have ended, until about `bytes` are freed.
     * Returns how many; -1: an error. */
    long (*sweep_bytes)(backend *b, backend_sweep *sweep, uint64_t bytes, size_t limit, uint64_t *freed);
    /* Gives what sweep_bytes has freed back to the file system. */
    void (*sweep_give_back)(backend *b, const backend_sweep *sweep);
    uint64_t (*disk_bytes)(backend *b);
} backend_ops;

#endif
