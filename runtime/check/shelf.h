/* shelf: the runs of a backup, or of a data folder that no process uses, for --check to take one by one. They are read
 * by a process of its own, because the database has threads, and a process with threads must not fork executions. Owns
 * that process. Nothing is written to the folder. */
#ifndef RUNTIME_CHECK_SHELF_H
#define RUNTIME_CHECK_SHELF_H

#include <sys/types.h>

#include "runtime/probe/fact.h"
#include "storage/run_id.h"

typedef struct shelf {
    pid_t reader;
    int fd;
    char *bytes; /* as they came from the reader */
    size_t at, len, room;
} shelf;

typedef struct shelf_run {
    run_id id;
    bool is_live;
    entry_text journal; /* the shelf's, until the next run is taken */
    entry_text error;   /* why the journal cannot be read; empty: it can */
} shelf_run;

/* Opens the folder: all live runs, then of those that have ended the last `ended_max`. False with a message. */
bool shelf_open(shelf *s, const char *path, int64_t ended_max, char *error, size_t error_size);
/* Takes the next run. False: there are no more, or with a message in *error: the folder cannot be read. */
bool shelf_take(shelf *s, shelf_run *run, char *error, size_t error_size);
void shelf_close(shelf *s);

#endif
