/* rocks_backup: a consistent copy of the data folder of a running store: a checkpoint of the database and the small
 * files beside it. Made as .NAME.partial, synced, then renamed: so half a backup is never taken for a whole one. No
 * backup has such a name, since none begins with a dot. */
#ifndef STORAGE_ROCKS_ROCKS_BACKUP_H
#define STORAGE_ROCKS_ROCKS_BACKUP_H

#include "storage/rocks/rocks_core.h"

/* Copies the database and its folder to the new folder `to`; *bytes is how long its files are. From a thread that may
 * wait for the disk. */
store_backup_result backup_make(rocks *r, const char *to, uint64_t *bytes, char *error, size_t error_size);

#endif
