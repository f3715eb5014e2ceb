/* rocks_synced: how long the database's logs and its MANIFEST were when everything in them was on disk, and the highest
 * wall clock so far: the file `synced` beside the database. At the next start a log that is gone, or shorter than that,
 * has lost commits. `synced` may be older than the database's files, never newer. Owns no memory. */
#ifndef STORAGE_ROCKS_ROCKS_SYNCED_H
#define STORAGE_ROCKS_ROCKS_SYNCED_H

#include <stdbool.h>
#include <stdint.h>

enum { ROCKS_SYNCED_FILES = 64, ROCKS_SYNCED_NAME = 24 };

typedef struct rocks_synced {
    struct {
        char name[ROCKS_SYNCED_NAME]; /* 000012.log, MANIFEST-000011 */
        uint64_t bytes;
    } files[ROCKS_SYNCED_FILES];
    unsigned count, left_out;
    int64_t wall_ms; /* the highest that the wall clock was at a commit, Unix; 0: unknown */
} rocks_synced;

/* Measures the files in the folder `path`/journal as they are now, and leaves wall_ms alone. Files beyond
 * ROCKS_SYNCED_FILES are only counted, in left_out. False: the folder cannot be read. */
bool rocks_synced_measure(rocks_synced *n, const char *path);
/* The size of the file `name` in *n; -1: *n does not have the file. */
int64_t rocks_synced_bytes(const rocks_synced *n, const char *name);

/* Replaces `path`/synced. Not `synced`: the new one outlives the process, but after a power loss the one before it may
 * be there, or none. False: errno tells why. */
bool rocks_synced_write(const rocks_synced *n, const char *path, bool synced);
/* Reads `path`/synced. False: there is none that is whole; then count and wall_ms may be 0. */
bool rocks_synced_read(rocks_synced *n, const char *path);

#endif
