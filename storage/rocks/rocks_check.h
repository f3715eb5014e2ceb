/* rocks_check: looks for damage in the database's files before RocksDB opens them. RocksDB takes a log as ended where
 * it cannot read on, and deletes the files that it then knows nothing of. Only an incomplete last record is forgiven:
 * its commit was never reported. Changes nothing unless a loss is accepted. */
#ifndef STORAGE_ROCKS_ROCKS_CHECK_H
#define STORAGE_ROCKS_ROCKS_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* False with a message: which file is damaged and where, what would be lost, what can be done. `accept_loss`: the
 * message is logged instead, the damaged files stay in `path`/lost-N (N: Unix time), and true is returned. */
bool rocks_check(const char *path, bool accept_loss, char *error, size_t error_size);

#endif
