/* memory: a backend for tests and --prove. Its database is a disk made of memory, which lives longer than the backend,
 * so that it can be opened again; it fails, waits and loses power when told to. Nothing is written to any real disk. A
 * clock that is moved by hand tells the time of commits and retention. All functions may be called from any thread. */
#ifndef STORAGE_MEMORY_H
#define STORAGE_MEMORY_H

#include "storage/backend.h"

typedef struct memory_disk memory_disk;

/* What happens to a write. After one that failed every write is refused until `reopen`, as RocksDB has it. */
typedef enum memory_fault {
    MEMORY_GOOD,
    MEMORY_REFUSES,    /* nothing is written: STORE_REFUSED */
    MEMORY_LOSES,      /* STORE_UNKNOWN, and it is not there when the disk is read again */
    MEMORY_APPEARS,    /* STORE_UNKNOWN, and it is there when the disk is read again */
    MEMORY_POWER_LOST, /* the power goes before the sync: it is not there */
    MEMORY_POWER_LATE  /* the power goes between the sync and the answer: it is there */
} memory_fault;

/* Where a disk lies. `resize` is realloc; of 0 bytes it frees and returns NULL. */
typedef struct memory_space {
    void *(*resize)(void *arg, void *block, size_t bytes);
    void *arg;
} memory_space;

/* NULL: out of memory. Its wall clock stands at 0. */
memory_disk *memory_disk_new(void);
/* In memory of the caller's: a disk that lies in a mapping which processes share, at one address, outlives those that
 * have it open, as long as the last of them was not in a function of the disk when it died (see memory_abandon). */
memory_disk *memory_disk_new_in(const memory_space *space);
/* No backend has it open. */
void memory_disk_free(memory_disk *d);

/* At most one backend has a disk open; one whose power is gone has it back. NULL: out of memory. Raises the epoch. */
backend *memory_open(memory_disk *d);

/* The write that comes after `skip` others meets the fault; all writes after it too when `lasts`, also after reopen. */
void memory_fail(memory_disk *d, memory_fault fault, unsigned skip, bool lasts);
/* The power goes now. Whoever has the disk open reads and writes nothing any more. */
void memory_power_off(memory_disk *d);
bool memory_powered(const memory_disk *d);
/* The process that had it open has died: nobody has. */
void memory_abandon(memory_disk *d);
/* Makes each write, or each read, wait until this is called with false. */
void memory_stall_writes(memory_disk *d, bool stalls);
void memory_stall_reads(memory_disk *d, bool stalls);
/* How many writes and reads wait because of that. */
unsigned memory_stalled(const memory_disk *d);
/* Each read, and each write, takes so long. */
void memory_delay(memory_disk *d, unsigned read_ms, unsigned write_ms);
void memory_fail_reads(memory_disk *d, bool fail);
void memory_set_wall_ms(memory_disk *d, int64_t unix_ms);
uint64_t memory_writes(const memory_disk *d); /* that succeeded or of unknown outcome */

#endif
