/* rocks: the backend that is a RocksDB database in the data folder. Owns the database and the folder around it. The
 * files in storage/rocks/ are the only ones of Stepwell that know RocksDB's API. Tables (column families) and keys:
 * docs/internals/journal.md. */
#ifndef STORAGE_ROCKS_ROCKS_H
#define STORAGE_ROCKS_ROCKS_H

#include "storage/backend.h"

/* Opens the database in the data folder `path`, which is made if it is not there, and raises the epoch. NULL with a
 * message that says what to change. `accept_loss`: see rocks_check. */
backend *rocks_open(const char *path, bool accept_loss, char *error, size_t error_size);

/* Opens the database for reading alone, and changes nothing: neither the epoch nor any file, not even one to lock. No
 * program can start on the folder meanwhile; others may read it. NULL with a message: among others, that it is in use.
 */
backend *rocks_open_reading(const char *path, char *error, size_t error_size);

/* Runs of which a value cannot be read, and that have no live row, are in no list: RocksDB does not tell which they
 * are. Calls on_gap for each place in the order of runs where there are such, with the runs on both sides of it that
 * can be read: `newer`, NULL: there is none, and `older`. False with a message: nothing can be read now. */
typedef void rocks_on_gap(void *arg, const run_id *newer, const run_id *older);
bool rocks_find_gaps(backend *b, rocks_on_gap *on_gap, void *arg, const char **error);

#endif
