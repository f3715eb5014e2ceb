/* store: the journals of all runs, written and read without blocking a loop. Owns the backend (storage/backend.h),
 * which is the database, and two threads: the journal thread takes what all loops appended, writes it as one batch with
 * one sync, and tells each loop once; the sweeper deletes ended runs. Reads are made on uv's pool. Never replays a
 * journal. A store_port is one loop's door to the store: used on that loop's thread only, from any stack; completions
 * come on the loop's own stack. */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "storage/cluster.h"
#include "storage/query.h"
#include "storage/run_id.h"
#include "storage/summary.h"

typedef struct store store;
typedef struct store_port store_port;

enum { STORE_SECRET_BYTES = 32 };

typedef struct store_options {
    const char *path;          /* data folder; made if it is not there (its parent must be) */
    struct backend *backend;   /* the store's from store_open on, also if store_open fails; NULL: RocksDB in `path` */
    int64_t retain_ms;         /* ended runs older than this are deleted; 0: 7 days */
    uint64_t retain_bytes;     /* ended runs are deleted, oldest first, while the store is larger; 0: no limit */
    size_t queue_bytes_max;    /* appended and not yet committed; 0: 256 MiB. See store_busy */
    int64_t sweep_interval_ms; /* how often retention looks; 0: 60,000 */
    bool accept_loss;          /* open although the journal is damaged: what cannot be read is lost */
    int64_t (*wall_ms)(void);  /* the wall clock that retention asks, Unix ms; NULL: the backend's */
    void (*on_fenced)(void);   /* from the journal thread: another process has the database; NULL: nobody asks */
    void (*on_commit)(void *arg, uint64_t took_us); /* from the journal thread: a batch is on disk; NULL: nobody asks */
    void *on_commit_arg;
    bool index;   /* keeps an index of runs (storage/run_index.h), by which store_find and store_count are fast */
    bool by_hand; /* no threads: the caller does their work, see storage/store_by_hand.h */
} store_options;

/* Opens, or makes, the store. NULL with a message that says what to change: not writable, in use by another process
 * (with its pid when known), a newer format, damaged. A store whose disk takes no writes (it is full, over its quota,
 * or mounted for reading alone) is opened for reading: then store_takes_writes is false. */
store *store_open(const store_options *options, char *error, size_t error_size);
/* Stops the store's threads, closes the backend and frees the store. All ports must be closed before. */
void store_close(store *s);
/* False while the database takes no writes; the journal thread tries again by itself. From any thread. */
bool store_takes_writes(const store *s);
/* Makes store_writable false for all ports until store_ungate, though writes are taken: whoever opened the store has
 * something to write before all others. From any thread. */
void store_gate(store *s);
void store_ungate(store *s);
uint64_t store_epoch(const store *s); /* goes up by one with each open */
/* True: when the store was opened, the wall clock was behind what it had been when the journal was last written, or
 * nobody knows. */
bool store_clock_is_back(const store *s);
const char *store_node(const store *s);       /* this node's name, made once with the store */
const cluster *store_cluster(const store *s); /* which node owns which runs of the store */
/* STORE_SECRET_BYTES random bytes, made once with the store, in the file `secret` beside it: they sign run tokens. */
const uint8_t *store_secret(const store *s);

/* ---- Appending ---- */

typedef enum store_live {
    STORE_LIVE_UNCHANGED, /* leave the run's row in the live table as it is */
    STORE_LIVE_SET,       /* the run goes on: due_ms 0, or parked until due_ms; or it is stopped: STORE_DUE_STOPPED */
    STORE_LIVE_CLEAR,     /* the run has ended: remove the row if there may be one (see `has_live_row`) */
    STORE_LIVE_REOPEN     /* SET of a run that had ended: retention forgets when that was. STORE_GONE if the run is
                             not there any more, or is about to be deleted */
} store_live;

/* The due_ms of a stopped run: long past, so each start loads the run as any other; and lists know the run by it. */
enum { STORE_DUE_STOPPED = 1 };
/* The due_ms of a run that waits for something that no time brings, a signal: the end of the year 9999. */
static const int64_t STORE_DUE_NEVER = 253402300799999;

enum { STORE_KEY_BYTES = 32, STORE_NAME_MAX = 4096 /* bytes of an endpoint or version */ };

/* The key that a request gave its run (Idempotency-Key): hashes of the key and of the first request that had it. */
typedef struct store_key {
    uint8_t hash[STORE_KEY_BYTES], fingerprint[STORE_KEY_BYTES];
} store_key;

typedef struct store_bytes {
    const void *data;
    size_t len;
} store_bytes;

enum { STORE_TABLE_NAME_MAX = 31, STORE_ROW_KEY_MAX = 512 };

/* The named table whose keys begin with the id of the run that has put the row: it goes with that run. */
#define STORE_MARKS_TABLE "bulk"

typedef enum store_row_op {
    STORE_ROW_PUT,
    STORE_ROW_DELETE,
    STORE_ROW_INSERT /* put, if the key is free or has this value already; else STORE_KEY_TAKEN */
} store_row_op;

/* A row of a named table, written in the commit of the segment that it hangs on. A table is made when something is
 * first written to it; names and keys: docs/internals/journal.md. All borrowed as the segment is. */
typedef struct store_row {
    const struct store_row *next;
    store_row_op op;
    const char *table; /* a-z and _, at most STORE_TABLE_NAME_MAX; none of the store's own */
    store_bytes key;   /* at most STORE_ROW_KEY_MAX */
    store_bytes value;
} store_row;

/* What became of a segment. */
typedef enum store_outcome {
    STORE_DONE,      /* it is on disk */
    STORE_REFUSED,   /* it is not on disk, and never will be */
    STORE_UNKNOWN,   /* a write failed, and nobody knows whether it is on disk; see store_give_up */
    STORE_KEY_TAKEN, /* an insert found its key taken, or the run's key leads to another run: nothing of the segment's
                        group is on disk, nor will be */
    STORE_GONE,      /* retention deletes the run that was to be reopened: nothing of it is on disk, nor will be */
    STORE_FENCED     /* reserved: another node has taken over */
} store_outcome;

/* Entries of one run for one commit: becomes one key of the database. The caller owns the segment, and may not touch it
 * from store_append until it comes back through on_committed. */
typedef struct store_segment {
    struct store_segment *next;
    run_id run;
    uint32_t seq; /* sequence number of the segment's first entry in the run; keys sort by it */
    store_live live;
    bool has_live_row;    /* with CLEAR: an earlier segment SET it (else no delete is written) */
    bool was_reopened;    /* with CLEAR: an earlier segment was STORE_LIVE_REOPEN; then has_live_row too */
    int64_t due_ms;       /* with SET, REOPEN */
    int64_t retain_ms;    /* with CLEAR: how long it stays; -1: the store's */
    const store_key *key; /* with the first of a run that has a key: inserted in the same commit, else STORE_KEY_TAKEN;
                             borrowed as `data` is. NULL: none */
    const char *data;     /* entries, one after the other; borrowed until it comes back */
    size_t len;           /* 0: rows alone */
    const store_row *rows;
    /* For the index, which otherwise reads the run: its endpoint and version, zero-terminated and valid until
     * store_close; NULL: they are not known, or the run has labels. */
    const char *function, *version;
    run_fate fate;         /* with CLEAR and a function: how the run ended */
    bool is_renewed;       /* lists tell something else of the run, though it neither begins nor ends with this */
    unsigned tag;          /* the caller's: whose segment it is, when it comes back */
    bool joined;           /* not REOPEN: with the next of its list: both on disk or neither, whatever keys are taken */
    store_outcome outcome; /* set when it comes back */
    const char *error;     /* set when it comes back: why not (valid until store_close); NULL: STORE_DONE */
} store_segment;

/* Opens a door for the loop. `on_committed` gives back a list linked by `next`, in the order of appending. NULL: memory
 * is out. */
store_port *store_port_open(store *s, uv_loop_t *loop, void (*on_committed)(void *arg, store_segment *list), void *arg);
/* Closes the port, of which no segment and no read may be under way; on_closed when the loop has let go of it. */
void store_port_close(store_port *p, void (*on_closed)(void *arg), void *arg);

/* Queues a list. Never blocks and never fails: errors come back with the segments. When a write fails, its segments
 * come back when the store knows whether they are on disk, which is before store_writable is true again. */
void store_append(store_port *p, store_segment *list);
/* The process is about to end and waits no more for segments of unknown outcome: from now on, and for all ports, they
 * come back as STORE_UNKNOWN at once. The next start finds them or does not. */
void store_give_up(store_port *p);
/* The owner of this port waits no more for segments of unknown outcome: a batch that has one of the port comes back as
 * STORE_UNKNOWN at once, from now on. */
void store_port_give_up(store_port *p);
/* True: the queue, with `unsent` bytes that the caller has not appended yet, is over queue_bytes_max. No new runs then.
 */
bool store_busy(const store_port *p, size_t unsent);
/* False from a write that failed until the store has written again, which it tries by itself: what is appended
 * meanwhile comes back with an error at once. False also while the store is gated (store_gate). From any thread. */
bool store_writable(const store_port *p);
/* Sets what is called, with the port's arg, when store_writable may answer otherwise than before, or when there is the
 * room that store_want_room asked for. At most one call for many changes. NULL: nobody asks. */
void store_port_on_change(store_port *p, void (*on_change)(void *arg));
/* Has on_change called once, when the queue is no longer over its limit. */
void store_want_room(store_port *p);

/* ---- Reading: on threads of the uv pool, answered on the loop. False: there is no memory for the question, so nothing
 * is read and the callback is not called ---- */

#define STORE_ASKS __attribute__((warn_unused_result)) bool

/* The error of a read that had no memory. It passes: the read can be tried again. */
extern const char store_no_memory[];

typedef struct store_journal {
    run_id run;
    bool found;
    bool live;         /* it has a row in the live table */
    int64_t due_ms;    /* of that row */
    uint32_t seq_next; /* one past the first seq of the last segment; the entries in it count on from there */
    char *data; /* all segments joined, in order; the store's: freed when the callback has returned. A callback that
                   keeps it sets NULL here, and frees it */
    size_t len;
    bool cut;          /* there is more, left out for its size */
    bool is_left;      /* store_load_some: nothing of it was read, for want of room */
    const char *error; /* NULL, or why it could not be read */
} store_journal;

/* How many reads, deletions and backups are under way; a port with any cannot be closed. */
size_t store_reads(const store_port *p);

/* Loads whole journals: one range scan each. `ids` is copied. */
STORE_ASKS store_load(store_port *p, const run_id *ids, size_t count,
                      void (*on_loaded)(void *arg, store_journal *journals, size_t count), void *arg);

/* Which journals are to be loaded, in their order. */
typedef struct store_load_list {
    const run_id *ids;
    size_t count;
    size_t bytes_max; /* of all together: the first that would go beyond, and all behind it, come back as `is_left`, and
                         so may the first of all; 0: no limit */
} store_load_list;

/* Loads those of a list, which is copied. */
STORE_ASKS store_load_some(store_port *p, const store_load_list *list,
                           void (*on_loaded)(void *arg, store_journal *journals, size_t count), void *arg);

/* What a line of a list shows of a run. */
typedef struct store_summary {
    run_id run;
    bool found;
    bool live;         /* it has a row in the live table */
    int64_t due_ms;    /* of that row */
    bool cut;          /* the middle was not read: of the counts in `of` only `entries` is that of the whole run */
    run_summary of;    /* texts are the store's until the callback returns; long ones are cut */
    const char *error; /* NULL, or why it could not be read */
    bool is_closed;    /* with an error: nothing could be read, since the database is not open at the moment */
} store_summary;

/* Reads at most about bytes_max from each end of a journal, whatever is between. `ids` is copied. */
STORE_ASKS store_summarize(store_port *p, const run_id *ids, size_t count, size_t bytes_max,
                           void (*on_summaries)(void *arg, const store_summary *runs, size_t count), void *arg);

typedef struct store_live_row {
    run_id run;
    int64_t due_ms;
} store_live_row;

/* Rows of the live table, in order of run id. */
typedef struct store_live_range {
    const run_id *after; /* begins behind this run; NULL: with the first */
    size_t rows_max;
    unsigned loop, loops;   /* only rows of runs with run_id_loop(run, loops) == loop */
    const cluster *cluster; /* and only those that its node owns; NULL: of all nodes */
} store_live_range;

static inline bool store_live_range_has(const store_live_range *range, const run_id *id)
{
    return run_id_loop(id, range->loops) == range->loop && (!range->cluster || cluster_owns(range->cluster, id));
}

/* Reads the rows of a range, which is copied. `end`: there are no more. For recovery at start. */
STORE_ASKS store_scan_live(store_port *p, const store_live_range *range,
                           void (*on_rows)(void *arg, const store_live_row *rows, size_t count, bool end,
                                           const char *error),
                           void *arg);

/* Run ids, newest first, before `before` (NULL: the newest), at most `limit`. For the list of runs. */
STORE_ASKS store_list(store_port *p, const run_id *before, size_t limit,
                      void (*on_ids)(void *arg, const run_id *ids, size_t count, const char *error), void *arg);

/* What was found of a query; all the store's until the callback returns. */
typedef struct store_found {
    const store_summary *runs; /* the newest first */
    size_t count;
    const run_id *next; /* more may be found below this id; NULL: that is all */
    const char *error;  /* why nothing could be found; NULL: nothing went wrong */
} store_found;

/* Finds the runs that the query means. `q` is copied, its texts are borrowed until the callback. */
STORE_ASKS store_find(store_port *p, const run_query *q, void (*on_found)(void *arg, const store_found *found),
                      void *arg);

/* Runs of an endpoint in a version that stand alike. */
typedef struct store_class {
    const char *function, *version;
    run_fate fate;
    uint64_t runs, recent; /* recent: of those that began since the moment asked for, at most two hours ago;
                              about */
} store_class;

typedef struct store_counts {
    const store_class *classes; /* the store's until the callback returns */
    size_t count;
    bool whole;        /* else some runs are not counted yet, or no index is kept */
    const char *error; /* why nothing could be counted; NULL: nothing went wrong */
} store_counts;

/* Counts all runs, from the index. */
STORE_ASKS store_count(store_port *p, int64_t recent_from_ms, void (*on_counted)(void *arg, const store_counts *counts),
                       void *arg);

typedef struct store_key_row {
    run_id run;
    uint8_t fingerprint[STORE_KEY_BYTES];
} store_key_row;

/* Finds the run that has this key; `row` NULL: no run has it, or retention has deleted the run. */
STORE_ASKS store_find_key(store_port *p, const uint8_t hash[STORE_KEY_BYTES],
                          void (*on_found)(void *arg, const store_key_row *row, const char *error), void *arg);

/* Rows of a named table with from <= key < to, in order of their keys (memcmp, then the shorter one). */
typedef struct store_range {
    const char *table;
    store_bytes from, to; /* `to` of length 0: up to the end; both at most STORE_ROW_KEY_MAX */
    size_t rows_max;
    size_t bytes_max; /* of keys and values: the row that goes beyond is the last; 0: no limit */
} store_range;

typedef struct store_table_row {
    store_bytes key, value; /* the store's, until the callback returns */
} store_table_row;

/* Reads the rows of a range, which is copied. `end`: there are no more in the range. */
STORE_ASKS store_scan(store_port *p, const store_range *range,
                      void (*on_rows)(void *arg, const store_table_row *rows, size_t count, bool end,
                                      const char *error),
                      void *arg);

typedef enum store_backup_result {
    STORE_BACKUP_DONE,
    STORE_BACKUP_EXISTS,   /* something has that name */
    STORE_BACKUP_NO_SPACE, /* the disk is full */
    STORE_BACKUP_FAILED
} store_backup_result;

/* Copies the whole store, as it is at one moment, to a new folder `to`, which store_open opens like the original. Reads
 * and writes go on meanwhile. `error` says why not, valid during the callback. */
STORE_ASKS store_backup(store_port *p, const char *to,
                        void (*on_done)(void *arg, store_backup_result result, uint64_t bytes, const char *error),
                        void *arg);

/* Deletes a run with all of its rows, of named tables only those of KIN_TABLE (storage/kin.h) and STORE_MARKS_TABLE.
 * Its row in the live table does not save it. */
STORE_ASKS store_delete(store_port *p, const run_id *id, void (*on_deleted)(void *arg, const char *error), void *arg);

/* ---- For metrics ---- */

typedef struct store_stats {
    uint64_t commits;  /* synced batches */
    uint64_t segments; /* in them */
    uint64_t bytes;    /* in them */
    uint64_t commit_errors;
    uint64_t queue_bytes;  /* now */
    uint64_t disk_bytes;   /* about; as of the last sweep */
    uint64_t runs_deleted; /* by retention */
    bool read_only;        /* see store_writable */
} store_stats;

void store_stats_get(const store *s, store_stats *out); /* from any thread */

#endif
