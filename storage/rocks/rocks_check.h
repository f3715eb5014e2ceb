/* rocks_check: looks for damage in the database's files before RocksDB opens them. RocksDB takes a log as ended where
 * it cannot read it on, and deletes what it then knows nothing of. Only a last record that is incomplete is forgiven:
 * its commit was never reported. Changes nothing unless a loss is accepted. */
#ifndef STORAGE_ROCKS_ROCKS_CHECK_H
#define STORAGE_ROCKS_ROCKS_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* False with a message that names file, place, what would be lost, and what can be done. `accept_loss`: the message is
 * logged instead, the files are kept in `path`/lost, and true is returned. */
bool rocks_check(const char *path, bool accept_loss, char *error, size_t error_size);

#endif
