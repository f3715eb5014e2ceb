/* rocks: the backend that is a RocksDB database in the data folder. Owns the database and the folder around it. The
 * files in storage/rocks/ are the only ones of Stepwell that know RocksDB's API. Tables (column families) and keys:
 * docs/internals/journal.md. */
#ifndef STORAGE_ROCKS_ROCKS_H
#define STORAGE_ROCKS_ROCKS_H

#include "storage/backend.h"

/* Opens the database in the data folder `path`, which is made if it is not there, and raises the epoch. NULL with a
 * message that says what to change. `accept_loss`: see rocks_check. */
backend *rocks_open(const char *path, bool accept_loss, char *error, size_t error_size);

#endif
