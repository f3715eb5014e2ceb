/* run_filter: which runs a command means: the options that lists and bulk share, as the parameters of the admin API, or
 * asked of a folder's runs. Owns nothing. */
#ifndef CLI_RUN_FILTER_H
#define CLI_RUN_FILTER_H

#include "cli/cli.h"
#include "runtime/stepwell.h"

/* The parameters, each with its "&": "&state=failed"; "" for none. In the arena. */
const char *run_filter_query(cli *c);

/* The same as an object of JSON. */
sw_value run_filter_object(cli *c);

/* Whether the filter takes the run, which is a line of a list. */
bool run_filter_takes(const cli *c, sw_value line);

#endif
