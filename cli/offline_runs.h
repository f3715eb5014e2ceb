/* offline_runs: runs of a folder, in the form that the admin API has them. */
#ifndef CLI_OFFLINE_RUNS_H
#define CLI_OFFLINE_RUNS_H

#include "cli/client.h"

/* A list that is asked for. */
typedef struct offline_listing {
    long long wanted; /* runs at most */
    bool has_gaps;    /* places are looked for where runs cannot be read at all: that takes a walk over all of them */
    long long gaps;   /* how many such places there are */
    /* Gets each line; `one` is the command with an arena that goes with the line. */
    void (*on_line)(void *arg, cli *one, sw_value line);
    void *arg;
} offline_listing;

/* Lists the newest runs that the command's filter takes. CLI_DONE, or why not was said. */
cli_end offline_list(cli *c, offline_listing *l);
/* Lists the newest children of the run that the command names, those before --before. Likewise. */
cli_end offline_children(cli *c, offline_listing *l);
/* The document of one run. */
cli_end offline_run(cli *c, const char *id, cli_reply *out);

#endif
