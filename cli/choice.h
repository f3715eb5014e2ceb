/* choice: which runs a command means: the options that lists and bulk share, as the parameters of the admin API, or as
 * the same filter that a server makes of them, for a folder's runs. Owns nothing. */
#ifndef CLI_CHOICE_H
#define CLI_CHOICE_H

#include "cli/cli.h"
#include "runtime/admin/run_filter.h"
#include "runtime/stepwell.h"

/* The parameters, each with its "&": "&state=failed"; "" for none. In the arena. */
const char *choice_query(cli *c);

/* The parameters as members of a JSON object, for the filter of a bulk action. In the arena. */
sw_value choice_object(cli *c);

/* Makes *f the filter for runs of a folder, with --before too. CLI_USAGE: a value is wrong, and that was said. */
cli_end choice_read(const cli *c, run_filter *f);

#endif
