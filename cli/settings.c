/* settings: what was set at runtime, which wins over the program until it is deleted. */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/safe.h"
#include "cli/table.h"
#include "cli/view.h"
#include "runtime/base/json_reader.h"

static bool is_offline(const cli *c)
{
    if (cli_has(c, OPTION_DATA)) (void)cli_fail(CLI_USAGE, "settings are the running program's: use --url");
    return cli_has(c, OPTION_DATA);
}

cli_end settings_list(cli *c)
{
    static const char *const heads[] = {"NAME", "VALUE", "BY", "AT (UTC)", NULL};
    cli_reply reply;
    table t;
    if (is_offline(c)) return CLI_USAGE;
    cli_end end = client_get(c, "/_sw/settings", &reply);
    if (end != CLI_DONE) return end;
    if (cli_has(c, OPTION_JSON)) {
        view_print_json(c, reply.json);
        return CLI_DONE;
    }
    sw_value settings = sw_get(reply.json, "settings");
    table_begin(&t, c, 4, heads);
    for (size_t i = 0; i < sw_len(settings); i++) {
        sw_value s = sw_at(settings, i);
        table_add(&t, (const char *const[]){view_text(c, sw_get(s, "name"), 0), view_text(c, sw_get(s, "value"), 0),
                                            view_text(c, sw_get(s, "by"), 0), view_time(c, sw_get(s, "at"))});
    }
    table_print(&t);
    return CLI_DONE;
}

static cli_end settings_change(cli *c, const char *method, const char *body)
{
    cli_reply reply;
    if (is_offline(c)) return CLI_USAGE;
    cli_end end = client_do(c, method, cli_text(c, "/_sw/settings/%s", client_escape(c, c->words[0])), body, &reply);
    if (end != CLI_DONE) return end;
    if (cli_has(c, OPTION_JSON) && !sw_is_nil(reply.json)) view_print_json(c, reply.json);
    return CLI_DONE;
}

cli_end settings_set(cli *c)
{
    const char *json = c->words[1], *message = "";
    sw_value ignored;
    if (!json_read(&c->arena, json, strlen(json), &ignored, &message))
        return cli_fail(CLI_USAGE, "the value is no JSON: %s", safe_text(c, message, strlen(message), 0));
    return settings_change(c, "PUT", cli_text(c, "{\"value\":%s}", json));
}

cli_end settings_delete(cli *c) { return settings_change(c, "DELETE", NULL); }
