/* rocks_note: how long the database's logs and its MANIFEST were when everything in them was on disk; kept beside the
 * database in the file `synced`, with the highest wall clock so far. At the next start a file that is gone or shorter
 * has lost what was there. The note may be older than the files, never newer. */
#ifndef STORAGE_ROCKS_ROCKS_NOTE_H
#define STORAGE_ROCKS_ROCKS_NOTE_H

#include <stdbool.h>
#include <stdint.h>

enum { ROCKS_NOTE_FILES = 64, ROCKS_NOTE_NAME = 24 };

typedef struct rocks_note {
    struct {
        char name[ROCKS_NOTE_NAME]; /* 000012.log, MANIFEST-000011 */
        uint64_t bytes;
    } files[ROCKS_NOTE_FILES];
    unsigned count, left_out;
    int64_t wall_ms; /* the highest that the wall clock was at a commit, Unix; 0: unknown */
} rocks_note;

/* The files as they are now in the folder `path`/journal; leaves wall_ms. Those beyond ROCKS_NOTE_FILES are left out
 * and only counted. False: it cannot be read. */
bool rocks_note_take(rocks_note *n, const char *path);
/* The size noted of a file; -1: none. */
int64_t rocks_note_bytes(const rocks_note *n, const char *name);

/* An unsynced note counts until the machine dies; then the one before it may be there, or none. */
bool rocks_note_write(const rocks_note *n, const char *path, bool synced);
/* False: there is none that is whole. */
bool rocks_note_read(rocks_note *n, const char *path);

#endif
