/* What the files of the memory backend share: the disk (memory_disk.c), the backend (memory.c), retention
 * (memory_retention.c). */
#ifndef STORAGE_MEMORY_CORE_H
#define STORAGE_MEMORY_CORE_H

#include <pthread.h>

#include "storage/memory/memory.h"
#include "storage/row_bytes.h"

enum { MEMORY_TABLES_MAX = 32, MEMORY_NODE_TEXT = 33 };

/* The store's own tables come first. */
typedef enum memory_own { MEMORY_SEGMENTS, MEMORY_LIVE, MEMORY_EXPIRY, MEMORY_KEYS, MEMORY_OWN } memory_own;

typedef struct memory_row {
    uint8_t *key; /* owned; the value behind it */
    size_t key_len, value_len;
} memory_row;

/* Rows in the order of their keys, see memory_compare. */
typedef struct memory_table {
    char name[STORE_TABLE_NAME_MAX + 1];
    memory_row *rows;
    size_t count, room;
} memory_table;

/* One change of a batch, which owns the row; of a deletion only the key counts. */
typedef struct memory_change {
    unsigned table;
    bool is_delete;
    memory_row row;
} memory_change;

typedef struct memory_batch {
    const memory_space *space; /* the disk's */
    memory_change *changes;
    size_t count, room;
    bool is_commit; /* find_commit will ask for it */
} memory_batch;

/* What the disk has of one node. */
typedef struct memory_seat {
    struct memory *user;  /* the backend that has the disk open; NULL: none */
    memory_batch pending; /* the write of unknown outcome; empty: none */
    bool pending_appears; /* it will be there when the node opens the disk again */
    bool broken;          /* a write of the node failed since it opened the disk */
    bool last_there;      /* the last commit of unknown outcome is there; set when the disk was opened again */
} memory_seat;

struct memory_disk {
    memory_space space;
    pthread_mutex_t lock;     /* of all below */
    pthread_cond_t unstalled; /* writes_stall or reads_stall has become false */
    memory_table tables[MEMORY_TABLES_MAX];
    unsigned table_count;
    memory_seat seats[MEMORY_NODES_MAX]; /* by the number of the node */
    bool powered, writes_stall, reads_stall, reads_fail, glances_fail, fault_lasts;
    memory_fault fault;
    unsigned skip, waiting, read_ms, write_ms;
    int64_t wall_ms, commit_wall_ms; /* the latter: the highest of all commits */
    uint64_t epoch, writes;
    clock_belief belief;
};

typedef struct memory {
    backend base;
    memory_disk *disk;
    memory_seat *seat;      /* of the disk */
    const cluster *cluster; /* borrowed */
    char node[MEMORY_NODE_TEXT];
    uint64_t epoch;
    int64_t seen_ms; /* commit_wall_ms of the disk when it was opened */
    bool dead;       /* the power went while this backend had the disk open */
} memory;

_Static_assert(offsetof(memory, base) == 0, "a backend is cast to the struct that begins with it");

static inline memory *memory_of(backend *b) { return (memory *)b; }

/* ---- Tables; the disk is locked ---- */

/* The number of the first row whose key is not below this one; `count`: none. */
size_t memory_seek(const memory_table *t, const void *key, size_t len);
/* The row that has this key; NULL: none. */
const memory_row *memory_get(const memory_table *t, const void *key, size_t len);
const void *memory_value(const memory_row *row);
/* The order of two keys: memcmp's, and when one begins with the other, the shorter one first. Below, at or above 0. */
int memory_compare(const void *a, size_t a_len, const void *b, size_t b_len);
/* NULL: nothing was ever written to the table. */
memory_table *memory_table_of(memory_disk *d, const char *name);
/* The number of the table, which is made if it is not there. */
unsigned memory_table_make(memory_disk *d, const char *name);

/* ---- Batches; the disk is locked ---- */

static inline memory_batch memory_batch_of(const memory_disk *d) { return (memory_batch){.space = &d->space}; }
/* Empties the batch. */
void memory_batch_drop(memory_batch *b);
/* These two copy their bytes. */
void memory_batch_put(memory_batch *b, unsigned table, store_bytes key, store_bytes value);
void memory_batch_delete(memory_batch *b, unsigned table, store_bytes key);
/* Takes the changes behind the first `count` back. */
void memory_batch_cut(memory_batch *b, size_t count);
/* Writes the batch, or does what the disk's fault says. Empties the batch in any case. */
store_outcome memory_write(memory *m, memory_batch *b, char *error, size_t error_size);

/* Opens the disk: a write of unknown outcome is there from now on, or never was. */
void memory_disk_open(memory *m);
/* Opens a disk again that is open, after a failed write. False: it still fails. */
bool memory_disk_reopen(memory *m, char *error, size_t error_size);
void memory_disk_close(memory *m);

/* Waits as the disk says for a read, then locks it. False with a static message: the disk cannot be read, and is not
 * locked. */
bool memory_read_begin(memory *m, const char **error);
void memory_read_end(memory *m);
/* Waits as the disk says for a write, then locks it. memory_read_end unlocks it. */
void memory_write_begin(memory *m);

/* ---- The backend's functions, see backend.h ---- */

bool memory_delete(backend *b, const run_id *id, const char **error);
void memory_sweep_begin(backend_sweep *s, int64_t now_ms, int64_t store_ms);
long memory_sweep_age(backend *b, backend_sweep *sweep, size_t limit);
long memory_sweep_bytes(backend *b, backend_sweep *sweep, uint64_t bytes, size_t limit, uint64_t *freed);
void memory_sweep_give_back(backend *b, const backend_sweep *sweep);
uint64_t memory_disk_bytes(backend *b);

#endif
