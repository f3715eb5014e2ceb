/* bulk: one deed for many runs, which the server does as a run of its own; this command asks before, and shows how far
 * it is. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/choice.h"
#include "cli/client.h"
#include "cli/safe.h"
#include "cli/view.h"
#include "runtime/base/json.h"

enum { LOOK_US = 500000, PER_SECOND_MOST = 10000, RUNS_MOST = 100000000 };

/* What is asked of the server, twice: how many runs there are, and to do it. */
typedef struct wish {
    long long per_second, max; /* 0: not said */
    long long as_of;           /* Unix ms of the dry run's count: runs that began later are left alone; 0: nothing was
                                  counted yet */
} wish;

static const char *wish_number(cli *c, const char *name, long long n)
{
    return n > 0 ? cli_text(c, ",\"%s\":%lld", name, n) : "";
}

static cli_end post(cli *c, const wish *w, bool dry_run, cli_reply *out)
{
    sw_bytes filter;
    cli_must(json_write(&c->arena, choice_object(c), &filter) ? filter.data : NULL);
    const char *text = cli_member(c, "text", c->values[OPTION_TEXT]);
    const char *body =
        cli_text(c, "{\"action\":\"%s\",\"filter\":%s,\"dryRun\":%s%s%s%s%s%s}", c->words[0], filter.data,
                 dry_run ? "true" : "false", wish_number(c, "perSecond", w->per_second), wish_number(c, "max", w->max),
                 wish_number(c, "asOf", w->as_of), *text ? "," : "", text);
    return client_do(c, "POST", "/_sw/bulk", body, out);
}

/* "3 runs": as many as the server has counted. */
static const char *matches_text(cli *c, sw_value counted)
{
    bool has_more = sw_as_bool(sw_get(counted, "more"), false); /* it had no time to count them all */
    return cli_text(c, "%lld runs%s", (long long)sw_as_int(sw_get(counted, "matches"), 0), has_more ? " or more" : "");
}

/* Asks the person at the terminal. CLI_DONE: it is wanted. */
static cli_end confirm(cli *c, sw_value counted)
{
    char answer[8] = "";
    if (cli_has(c, OPTION_YES)) return CLI_DONE;
    if (!isatty(STDIN_FILENO)) return cli_fail(CLI_USAGE, "nobody is there to ask: say --yes, or look with --dry-run");
    fprintf(stderr, "%s %s? [y/N] ", c->words[0], matches_text(c, counted));
    if (fgets(answer, sizeof answer, stdin) && (*answer == 'y' || *answer == 'Y')) return CLI_DONE;
    return cli_fail(CLI_REFUSED, "nothing was done");
}

/* ---- Watching ---- */

static long long sum_of(sw_value counts)
{
    long long sum = 0;
    for (size_t i = 0; i < sw_len(counts); i++) {
        sw_value n;
        (void)sw_key_at(counts, i, &n);
        sum += (long long)sw_as_int(n, 0);
    }
    return sum;
}

static void show_progress(sw_value status)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%lld done, %lld pending, %lld skipped, %lld left \033[K",
                (long long)sw_as_int(sw_get(status, "done"), 0), (long long)sw_as_int(sw_get(status, "pending"), 0),
                sum_of(sw_get(status, "skipped")), (long long)sw_as_int(sw_get(status, "left"), 0));
}

static void show_end(cli *c, const char *id, sw_value run)
{
    sw_value state = sw_get(run, "state"), status = sw_get(run, "status");
    msgpack_object_kv members[] = {
        {cli_string("runId"), cli_string(id)}, {cli_string("state"), state}, {cli_string("status"), status}};
    if (isatty(STDERR_FILENO)) fputc('\n', stderr);
    if (cli_has(c, OPTION_JSON))
        view_print_json(c, cli_map(members, sizeof members / sizeof *members));
    else
        printf("%s %s %s\n", id, view_text(c, state, 0), view_text(c, status, 0));
}

/* Shows how far the server's run is. False: it has ended, or why not is said: *end. */
static bool watch_once(cli *c, const char *id, cli_end *end)
{
    sw_value run;
    *end = client_look(c, id, &run);
    if (*end != CLI_DONE) return false;
    sw_value state = sw_get(run, "state");
    show_progress(sw_get(run, "status"));
    if (sw_str_equal(state, "running") || sw_str_equal(state, "sleeping")) return true;
    show_end(c, id, run);
    *end = sw_str_equal(state, "succeeded") ? CLI_DONE : CLI_REFUSED;
    return false;
}

static cli_end watch(cli *c, const char *id)
{
    cli_end end = CLI_DONE;
    bool goes_on = true;
    fprintf(stderr,
            "run %s of the server does this, and goes on without this command (stepwell runs cancel %s ends it)\n", id,
            id);
    while (goes_on) {
        cli one = cli_beside(c);
        goes_on = watch_once(&one, id, &end);
        arena_free(&one.arena);
        if (goes_on) (void)usleep(LOOK_US);
    }
    return end;
}

/* ---- The command ---- */

static bool action_is_known(const char *action)
{
    static const char *const actions[] = {"cancel", "stop", "release", "resume"};
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(action, actions[i]) == 0) return true;
    return false;
}

static cli_end bulk_read(const cli *c, wish *w)
{
    long long rates[2] = {1, PER_SECOND_MOST}, counts[2] = {1, RUNS_MOST};
    *w = (wish){.as_of = 0};
    if (cli_has(c, OPTION_DATA)) return cli_fail(CLI_USAGE, "runs are steered by the program that has them: use --url");
    if (!action_is_known(c->words[0])) return cli_fail(CLI_USAGE, "bulk does cancel, stop, release or resume");
    if (cli_has(c, OPTION_TEXT) && strcmp(c->words[0], "stop") != 0)
        return cli_fail(CLI_USAGE, "--text says why runs are stopped: bulk %s takes none", c->words[0]);
    bool ok =
        cli_number(c, OPTION_PER_SECOND, 0, rates, &w->per_second) && cli_number(c, OPTION_MAX, 0, counts, &w->max);
    return ok ? CLI_DONE : CLI_USAGE;
}

cli_end bulk_start(cli *c)
{
    wish w;
    cli_reply reply;
    cli_end end = bulk_read(c, &w);
    if (end == CLI_DONE) end = post(c, &w, true, &reply);
    if (end != CLI_DONE) return end;
    if (cli_has(c, OPTION_DRY_RUN) && cli_has(c, OPTION_JSON)) view_print_json(c, reply.json);
    if (cli_has(c, OPTION_DRY_RUN) && !cli_has(c, OPTION_JSON)) puts(matches_text(c, reply.json));
    if (cli_has(c, OPTION_DRY_RUN)) return CLI_DONE;
    end = confirm(c, reply.json);
    if (end != CLI_DONE) return end;
    w.as_of = (long long)sw_as_int(sw_get(reply.json, "asOf"), 0);
    end = post(c, &w, false, &reply);
    if (end != CLI_DONE) return end;
    sw_value id = sw_get(reply.json, "runId");
    if (sw_type(id) != SW_STRING) return cli_fail(CLI_REFUSED, "the server does not say which run does it");
    return watch(c, safe_text(c, id.via.str.ptr, id.via.str.size, 0));
}
