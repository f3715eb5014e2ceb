/* bulk: one deed for many runs, which the server does as a run of its own; this command asks before, and shows how far
 * it is. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/run_filter.h"
#include "cli/view.h"
#include "runtime/base/json.h"

enum { LOOK_US = 500000, PER_SECOND_MOST = 10000, RUNS_MOST = 100000000 };

static const char *request_body(cli *c, bool dry_run, const long long numbers[2])
{
    sw_bytes filter;
    cli_must(json_write(&c->arena, run_filter_object(c), &filter) ? filter.data : NULL);
    const char *more = "";
    if (numbers[0] > 0) more = cli_text(c, "%s,\"perSecond\":%lld", more, numbers[0]);
    if (numbers[1] > 0) more = cli_text(c, "%s,\"max\":%lld", more, numbers[1]);
    return cli_text(c, "{\"action\":\"%s\",\"filter\":%s,\"dryRun\":%s%s}", c->words[0], filter.data,
                    dry_run ? "true" : "false", more);
}

static cli_end post(cli *c, bool dry_run, const long long numbers[2], cli_reply *out)
{
    cli_end end = client_call(c, "POST", "/_sw/bulk", request_body(c, dry_run, numbers), out);
    if (end != CLI_DONE) return end;
    return out->status >= 200 && out->status < 300 ? CLI_DONE : client_refused(c, out);
}

/* Whether the person at the terminal wants it. */
static bool confirm(const cli *c, long long matches)
{
    char answer[8] = "";
    if (cli_has(c, OPTION_YES)) return true;
    if (!isatty(STDIN_FILENO)) {
        (void)cli_fail(CLI_USAGE, "nobody is there to ask: say --yes, or look with --dry-run");
        return false;
    }
    fprintf(stderr, "%s %lld runs? [y/N] ", c->words[0], matches);
    return fgets(answer, sizeof answer, stdin) && (*answer == 'y' || *answer == 'Y');
}

/* Shows the status of the server's run until it ends. */
static cli_end watch(cli *c, const char *id)
{
    bool is_terminal = isatty(STDERR_FILENO);
    for (;;) {
        cli_reply reply;
        cli_end end = client_get(c, cli_text(c, "/_sw/runs/%s", client_escape(c, id)), &reply);
        if (end != CLI_DONE) return end;
        sw_value status = sw_get(reply.json, "status"), state = sw_get(reply.json, "state");
        if (is_terminal)
            fprintf(stderr, "\r%lld done, %lld skipped, %lld left \033[K",
                    (long long)sw_as_int(sw_get(status, "done"), 0), (long long)sw_as_int(sw_get(status, "skipped"), 0),
                    (long long)sw_as_int(sw_get(status, "left"), 0));
        if (!sw_str_equal(state, "running") && !sw_str_equal(state, "sleeping")) {
            if (is_terminal) fputc('\n', stderr);
            printf("%s %s %s\n", id, view_text(c, state, 0), view_text(c, status, 0));
            return sw_str_equal(state, "succeeded") ? CLI_DONE : CLI_REFUSED;
        }
        usleep(LOOK_US);
    }
}

static bool action_is_known(const char *action)
{
    static const char *const actions[] = {"cancel", "stop", "release", "resume"};
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(action, actions[i]) == 0) return true;
    return false;
}

cli_end bulk_start(cli *c)
{
    long long numbers[2], rates[2] = {1, PER_SECOND_MOST}, counts[2] = {1, RUNS_MOST};
    cli_reply reply;
    if (cli_has(c, OPTION_DATA)) return cli_fail(CLI_USAGE, "runs are steered by the program that has them: use --url");
    if (!action_is_known(c->words[0])) return cli_fail(CLI_USAGE, "bulk does cancel, stop, release or resume");
    if (!cli_number(c, OPTION_PER_SECOND, 0, rates, &numbers[0])) return CLI_USAGE;
    if (!cli_number(c, OPTION_MAX, 0, counts, &numbers[1])) return CLI_USAGE;
    cli_end end = post(c, true, numbers, &reply);
    if (end != CLI_DONE) return end;
    long long matches = (long long)sw_as_int(sw_get(reply.json, "matches"), 0);
    if (cli_has(c, OPTION_DRY_RUN) && cli_has(c, OPTION_JSON)) view_print_json(c, reply.json);
    if (cli_has(c, OPTION_DRY_RUN) && !cli_has(c, OPTION_JSON)) printf("%lld runs\n", matches);
    if (cli_has(c, OPTION_DRY_RUN)) return CLI_DONE;
    if (!confirm(c, matches)) return CLI_USAGE;
    end = post(c, false, numbers, &reply);
    if (end != CLI_DONE) return end;
    sw_value id = sw_get(reply.json, "runId");
    if (sw_type(id) != SW_STRING) return cli_fail(CLI_REFUSED, "the server does not say which run does it");
    return watch(c, cli_bytes(c, id.via.str.ptr, id.via.str.size));
}
