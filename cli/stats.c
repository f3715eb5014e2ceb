/* stats: how much there is: what the server's metrics say, or a folder's runs counted. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/figure.h"
#include "cli/offline_runs.h"
#include "cli/table.h"
#include "cli/view.h"
#include "runtime/observe/runs_json.h"

/* ---- Of a server ---- */

static const struct {
    const char *metric, *head;
} figures[] = {{"stepwell_runs_in_memory", "runs in memory"},
               {"stepwell_runs_unfinished", "unfinished"},
               {"stepwell_runs_stopped", "stopped"},
               {"stepwell_runs_started_total", "started"},
               {"stepwell_runs_succeeded_total", "succeeded"},
               {"stepwell_runs_failed_total", "failed"},
               {"stepwell_runs_rejected_total", "rejected"},
               {"stepwell_runs_cancelled_total", "cancelled"},
               {"stepwell_steps_done_total", "steps done"},
               {"stepwell_attempts_failed_total", "attempts failed"},
               {"stepwell_journal_commits_total", "commits"},
               {"stepwell_journal_disk_bytes", "journal on disk"},
               {"stepwell_journal_queue_bytes", "journal queue"},
               {"stepwell_journal_runs_deleted_total", "deleted by retention"}};
enum { FIGURES = sizeof figures / sizeof *figures };

static cli_end stats_of_server(cli *c)
{
    cli_reply reply;
    table t;
    const char *comma = "";
    cli_end end = client_call(c, "GET", "/_sw/metrics", NULL, &reply);
    if (end != CLI_DONE) return end;
    if (reply.status != 200) return client_refused(c, &reply);
    table_begin(&t, c, 2, NULL);
    if (cli_has(c, OPTION_JSON)) putchar('{');
    for (size_t i = 0; i < FIGURES; i++) {
        double n = figure_read(reply.body, figures[i].metric);
        bool is_size = strstr(figures[i].metric, "_bytes") != NULL;
        if (n < 0) continue;
        if (cli_has(c, OPTION_JSON)) printf("%s\"%s\":%.0f", comma, figures[i].metric + strlen("stepwell_"), n);
        comma = ",";
        const char *text = is_size ? view_bytes(c, (uint64_t)n) : cli_text(c, "%.0f", n);
        table_add(&t, (const char *const[]){figures[i].head, text});
    }
    if (cli_has(c, OPTION_JSON))
        puts("}");
    else
        table_print(&t);
    return CLI_DONE;
}

/* ---- Of a folder ---- */

typedef struct tally {
    long long runs, of_state[SHOWN_STATES];
} tally;

static void tally_add(void *arg, cli *one, sw_value line)
{
    tally *n = arg;
    (void)one;
    n->runs++;
    for (size_t i = 0; i < SHOWN_STATES; i++) {
        if (!sw_str_equal(sw_get(line, "state"), shown_state_name((shown_state)i))) continue;
        n->of_state[i]++;
        return;
    }
}

static cli_end stats_of_folder(cli *c)
{
    tally n = {.runs = 0};
    table t;
    offline_listing all = {.wanted = LLONG_MAX, .has_gaps = true, .on_line = tally_add, .arg = &n};
    cli_end end = offline_list(c, &all);
    if (end != CLI_DONE) return end;
    table_begin(&t, c, 2, NULL);
    table_add(&t, (const char *const[]){"runs", cli_text(c, "%lld", n.runs)});
    if (cli_has(c, OPTION_JSON)) printf("{\"runs\":%lld", n.runs);
    for (size_t i = 0; i < SHOWN_STATES; i++) {
        if (cli_has(c, OPTION_JSON)) printf(",\"%s\":%lld", shown_state_name((shown_state)i), n.of_state[i]);
        if (n.of_state[i] > 0)
            table_add(&t, (const char *const[]){shown_state_name((shown_state)i), cli_text(c, "%lld", n.of_state[i])});
    }
    if (all.gaps > 0) table_add(&t, (const char *const[]){"gaps", cli_text(c, "%lld", all.gaps)});
    if (cli_has(c, OPTION_JSON))
        printf(",\"gaps\":%lld}\n", all.gaps);
    else
        table_print(&t);
    return CLI_DONE;
}

cli_end stats_show(cli *c) { return cli_has(c, OPTION_DATA) ? stats_of_folder(c) : stats_of_server(c); }
