/* What the files of the memory backend share: the disk (memory_disk.c), the backend (memory.c), retention
 * (memory_retention.c). */
#ifndef STORAGE_MEMORY_CORE_H
#define STORAGE_MEMORY_CORE_H

#include <pthread.h>

#include "storage/memory/memory.h"
#include "storage/row_bytes.h"

enum { MEMORY_TABLES_MAX = 32, MEMORY_NODE_MAX = 33 };

/* The store's own tables come first. */
typedef enum memory_own { MEMORY_SEGMENTS, MEMORY_LIVE, MEMORY_EXPIRY, MEMORY_KEYS, MEMORY_OWN } memory_own;

typedef struct memory_row {
    uint8_t *key; /* owned; the value behind it */
    size_t key_len, value_len;
} memory_row;

/* Rows in order of their keys. */
typedef struct memory_table {
    char name[STORE_TABLE_NAME_MAX + 1];
    memory_row *rows;
    size_t count, room;
} memory_table;

/* One row of a batch, owned. */
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

struct memory_disk {
    memory_space space;
    pthread_mutex_t lock;     /* of all below */
    pthread_cond_t unstalled; /* writes_stall or reads_stall has become false */
    memory_table tables[MEMORY_TABLES_MAX];
    unsigned table_count;
    memory_batch pending; /* of unknown outcome */
    bool pending_appears;
    bool broken;         /* a write failed since it was opened */
    struct memory *user; /* who has it open; NULL: nobody */
    bool powered, writes_stall, reads_stall, reads_fail, fault_lasts;
    memory_fault fault;
    unsigned skip, waiting, read_ms, write_ms;
    int64_t wall_ms, commit_wall_ms; /* the latter: the highest of all commits */
    uint64_t epoch, writes;
    clock_belief belief;
    /* The last commit of unknown outcome: whether it is there is known once it was opened again, and from then on. */
    bool last_there;
};

typedef struct memory {
    backend base;
    memory_disk *disk;
    uint64_t epoch;
    int64_t seen_ms; /* commit_wall_ms when it was opened */
    bool dead;       /* the power went while it was open */
} memory;

static inline memory *memory_of(backend *b) { return (memory *)b; }

/* ---- Tables; the disk is locked ---- */

/* The first row whose key is not below. */
size_t memory_seek(const memory_table *t, const void *key, size_t len);
/* NULL: none. */
const memory_row *memory_get(const memory_table *t, const void *key, size_t len);
const void *memory_value(const memory_row *row);
/* memcmp, then the shorter one. */
int memory_compare(const void *a, size_t a_len, const void *b, size_t b_len);
/* NULL: nothing was ever written to it. */
memory_table *memory_table_of(memory_disk *d, const char *name);
unsigned memory_table_make(memory_disk *d, const char *name);

/* ---- Batches; the disk is locked ---- */

static inline memory_batch memory_batch_of(const memory_disk *d) { return (memory_batch){.space = &d->space}; }
void memory_batch_drop(memory_batch *b);
void memory_batch_put(memory_batch *b, unsigned table, store_bytes key, store_bytes value);
void memory_batch_delete(memory_batch *b, unsigned table, store_bytes key);
void memory_batch_cut(memory_batch *b, size_t count);
/* Writes it, as the disk's fault has it, and takes what is in it. */
store_outcome memory_write(memory *m, memory_batch *b, char *error, size_t error_size);

/* Opens the disk: what was of unknown outcome is there from now on, or has never been. */
void memory_disk_open(memory *m);
/* The same while it is open, after a failed write. False: it still fails. */
bool memory_disk_reopen(memory *m, char *error, size_t error_size);
void memory_disk_close(memory *m);

/* Takes the lock after the delay of a read. False with a static message, and no lock. */
bool memory_read_begin(memory *m, const char **error);
void memory_read_end(memory *m);
/* Takes the lock after the delay of a write, and whoever holds writes. Its end is memory_read_end. */
void memory_write_begin(memory *m);

/* ---- The backend's functions, see backend.h ---- */

bool memory_delete(backend *b, const run_id *id, const char **error);
void memory_sweep_begin(backend_sweep *s, int64_t now_ms, int64_t store_ms);
long memory_sweep_age(backend *b, backend_sweep *sweep, size_t limit);
long memory_sweep_bytes(backend *b, backend_sweep *sweep, uint64_t bytes, size_t limit, uint64_t *freed);
void memory_sweep_give_back(backend *b, const backend_sweep *sweep);
uint64_t memory_disk_bytes(backend *b);

#endif
