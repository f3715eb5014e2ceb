/* offline: a data folder that no program works with, read without a change. Owns the database that it has opened. */
#ifndef CLI_OFFLINE_H
#define CLI_OFFLINE_H

#include "cli/cli.h"
#include "storage/backend.h"

/* Opens the folder `path` for reading. NULL: why not has been said, and *end is how the command ends: CLI_NOT_THERE
 * when a program works with the folder, whose admin API is named. */
backend *offline_open(const char *path, cli_end *end);
void offline_close(backend *b);

/* Calls `each` with the ids of the runs before `before` (NULL: of all), the newest first, until it returns false.
 * CLI_DONE, or why not was said. */
cli_end offline_walk(backend *b, const run_id *before, bool (*each)(void *arg, const run_id *id), void *arg);

/* Loads a run's whole journal into *out; its data is malloc'd. CLI_DONE, with out->error when only a part of it can be
 * read; or why not was said. */
cli_end offline_load(backend *b, const char *id, store_journal *out);

#endif
