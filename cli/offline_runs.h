/* offline_runs: runs of a folder, in the form that the admin API has them. */
#ifndef CLI_OFFLINE_RUNS_H
#define CLI_OFFLINE_RUNS_H

#include "cli/client.h"

/* Calls on_line with each of the `wanted` newest runs that the command's filter takes. */
cli_end offline_list(cli *c, long long wanted, void (*on_line)(void *arg, sw_value line), void *arg);
/* The document of one run. */
cli_end offline_run(cli *c, const char *id, cli_reply *out);

#endif
