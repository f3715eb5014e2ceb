/* memory: a backend for tests and --prove. Its database is a disk made of memory, which outlives the backend, so that
 * it can be opened again; the disk fails, stalls and loses power when told to. Several nodes of a cluster may have one
 * disk open. Owns nothing outside memory: no real disk is touched. The wall clock of commits and retention is moved by
 * hand. All functions may be called from any thread. */
#ifndef STORAGE_MEMORY_H
#define STORAGE_MEMORY_H

#include "storage/backend.h"

typedef struct memory_disk memory_disk;

/* What happens to a write. After a write that failed every other is refused until `reopen`, as RocksDB does it. */
typedef enum memory_fault {
    MEMORY_GOOD,
    MEMORY_REFUSES,    /* nothing is written: STORE_REFUSED */
    MEMORY_LOSES,      /* STORE_UNKNOWN, and the write is not there when the disk is opened again */
    MEMORY_APPEARS,    /* STORE_UNKNOWN, and the write is there when the disk is opened again */
    MEMORY_POWER_LOST, /* the power goes before the sync: the write is not there */
    MEMORY_POWER_LATE  /* the power goes between the sync and the answer: the write is there */
} memory_fault;

/* The memory that a disk lies in. `resize` does what realloc does; with 0 bytes it frees the block and returns NULL. */
typedef struct memory_space {
    void *(*resize)(void *arg, void *block, size_t bytes);
    void *arg;
} memory_space;

/* Makes an empty disk, whose wall clock stands at 0. NULL: out of memory. */
memory_disk *memory_disk_new(void);
/* Makes an empty disk in memory of the caller's. A disk in a mapping that processes share, at one address, outlives
 * each process that has it open, unless the process dies within a function of the disk (see memory_abandon). */
memory_disk *memory_disk_new_in(const memory_space *space);
/* Frees the disk, which no backend may have open. */
void memory_disk_free(memory_disk *d);

/* Opens the disk, and raises its epoch. At most one backend of a node may have a disk open, unless the power is gone:
 * then opening turns it on again. NULL: out of memory. */
backend *memory_open(memory_disk *d);
/* Opens the disk as a node of a cluster, c->self, which other nodes have open too. What one has written the others
 * read; a write that fails, and the power, aside, they know nothing of each other. Borrows `c`. */
enum { MEMORY_NODES_MAX = 4 };
backend *memory_open_node(memory_disk *d, const cluster *c);

/* The write that comes after `skip` others meets the fault. `lasts`: so do all writes after that one, and `reopen`
 * fails. */
void memory_fail(memory_disk *d, memory_fault fault, unsigned skip, bool lasts);
/* Turns the power off. The backend that has the disk open reads and writes nothing any more. */
void memory_power_off(memory_disk *d);
bool memory_powered(const memory_disk *d);
/* The process that had the disk open has died: no backend has it open now. */
void memory_abandon(memory_disk *d);
/* The node has died: the backend by which it had the disk open reads and writes nothing any more. Its write of unknown
 * outcome is there from now on, or never was: another node may own its runs before it comes back. */
void memory_kill(memory_disk *d, unsigned node);
/* Makes each write, or each read, wait until this is called with false. */
void memory_stall_writes(memory_disk *d, bool stalls);
void memory_stall_reads(memory_disk *d, bool stalls);
/* How many writes and reads wait because of that. */
unsigned memory_stalled(const memory_disk *d);
/* Makes each read and each write take so long. */
void memory_delay(memory_disk *d, unsigned read_ms, unsigned write_ms);
void memory_fail_reads(memory_disk *d, bool fail);
/* Lets summaries of runs find a part of the disk that cannot be read, while the rest can. */
void memory_fail_glances(memory_disk *d, bool fail);
void memory_set_wall_ms(memory_disk *d, int64_t unix_ms);
uint64_t memory_writes(const memory_disk *d); /* how many succeeded or are of unknown outcome */

#endif
