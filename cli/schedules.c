/* schedules: when functions begin by themselves: looking, pausing, and beginning a run at once. */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/safe.h"
#include "cli/table.h"
#include "cli/view.h"
#include "runtime/run/function_name.h"

static bool is_offline(const cli *c)
{
    if (cli_has(c, OPTION_DATA)) (void)cli_fail(CLI_USAGE, "schedules are the running program's: use --url");
    return cli_has(c, OPTION_DATA);
}

/* What stands in the way of the next point. */
static const char *state_of(sw_value s)
{
    if (sw_as_bool(sw_get(s, "missing"), false)) return "not in the program";
    if (sw_as_bool(sw_get(s, "paused"), false)) return "paused";
    if (sw_as_bool(sw_get(s, "stopped"), false)) return "function stopped";
    return sw_is_nil(sw_get(s, "waiting")) ? "" : "waits for the last run";
}

static void add_schedule(table *t, sw_value s)
{
    cli *c = t->c;
    table_add(t,
              (const char *const[]){view_text(c, sw_get(s, "name"), 0), view_text(c, sw_get(s, "cron"), 0),
                                    view_text(c, sw_get(s, "timezone"), 0), view_text(c, sw_get(s, "overlap"), 0),
                                    state_of(s), view_time(c, sw_get(s, "lastPoint")),
                                    view_text(c, sw_get(s, "lastRun"), 0), view_time(c, sw_at(sw_get(s, "next"), 0))});
}

cli_end schedules_list(cli *c)
{
    static const char *const heads[] = {"SCHEDULE",   "CRON",     "TIME ZONE",  "OVERLAP", "STATE",
                                        "LAST (UTC)", "LAST RUN", "NEXT (UTC)", NULL};
    cli_reply reply;
    table t;
    if (is_offline(c)) return CLI_USAGE;
    cli_end end = client_get(c, "/_sw/schedules", &reply);
    if (end != CLI_DONE) return end;
    sw_value all = sw_get(reply.json, "schedules");
    table_begin(&t, c, 8, heads);
    table_list(&t, all, add_schedule);
    return CLI_DONE;
}

static cli_end schedule_ask(cli *c, const char *method, const char *body, cli_reply *reply)
{
    const char *name = c->words[0];
    if (is_offline(c)) return CLI_USAGE;
    if (!function_name_is_good(name))
        return cli_fail(CLI_USAGE, "\"%s\" is no name of a schedule: " FUNCTION_NAME_RULE,
                        safe_text(c, name, strlen(name), FUNCTION_NAME_MAX), FUNCTION_NAME_MAX);
    return client_do(c, method, cli_text(c, "/_sw/schedules/%s", name), body, reply);
}

static cli_end schedule_set_paused(cli *c, const char *body)
{
    cli_reply reply;
    cli_end end = schedule_ask(c, "PUT", body, &reply);
    if (end == CLI_DONE && cli_has(c, OPTION_JSON)) view_print_json(c, reply.json);
    return end;
}

cli_end schedules_pause(cli *c) { return schedule_set_paused(c, "{\"paused\":true}"); }
cli_end schedules_resume(cli *c) { return schedule_set_paused(c, "{\"paused\":false}"); }

cli_end schedules_forget(cli *c)
{
    cli_reply reply;
    return schedule_ask(c, "DELETE", NULL, &reply);
}

cli_end schedules_trigger(cli *c)
{
    cli_reply reply;
    cli_end end = schedule_ask(c, "POST", "", &reply);
    return end == CLI_DONE ? client_tell_run(c, &reply) : end;
}
