/* check: has a program execute the runs of a folder again. Only that program can: the command becomes it. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

enum { ENDED_MOST = 100000000, ARGUMENTS_MAX = 8 };

cli_end check_runs(cli *c)
{
    const char *program = c->words[0], *argv[ARGUMENTS_MAX] = {program, "--check", c->values[OPTION_DATA]};
    long long ended, bounds[2] = {0, ENDED_MOST};
    size_t n = 3;
    if (!cli_has(c, OPTION_DATA))
        return cli_fail(CLI_USAGE,
                        "the runs of a backup, or of a folder that no program works with, are checked: --data DIR");
    if (!cli_number(c, OPTION_LIMIT, 0, bounds, &ended)) return CLI_USAGE;
    if (cli_has(c, OPTION_LIMIT)) argv[n++] = cli_text(c, "--check-ended=%lld", ended);
    if (cli_has(c, OPTION_JSON)) argv[n++] = "--check-json";
    argv[n] = NULL;
    (void)execvp(program, (char *const *)(uintptr_t)argv);
    return cli_fail(CLI_USAGE, "%s: %s", program, strerror(errno));
}
