/* rocks: the backend that is a RocksDB database in the data folder, and the folder round it; the files rocks*.c are the
 * only ones of Stepwell that know its API. Tables (column families) and keys: docs/internals/journal.md. */
#ifndef STORAGE_ROCKS_ROCKS_H
#define STORAGE_ROCKS_ROCKS_H

#include "storage/backend.h"

/* `path` is the data folder, made if it is not there. NULL with a message that says what to change. Raises the epoch.
 * `accept_loss`: see rocks_check. */
backend *rocks_open(const char *path, bool accept_loss, char *error, size_t error_size);

#endif
