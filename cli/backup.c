/* backup: a copy of the whole journal: made by the server that has it, or of a folder that no program works with. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/copying.h"
#include "cli/view.h"

static cli_end backup_by_server(cli *c)
{
    cli_reply reply;
    const char *path = cli_text(c, "/_sw/backup?name=%s", client_escape(c, c->words[0]));
    cli_end end = client_call_long(c, "POST", path, &reply);
    if (end != CLI_DONE) return end;
    if (reply.status != 201) return client_refused(c, &reply);
    if (cli_has(c, OPTION_JSON))
        view_print_json(c, reply.json);
    else
        printf("%s: %s in %s, in the server's --backup-dir\n", view_text(c, sw_get(reply.json, "name"), 0),
               view_bytes(c, (uint64_t)sw_as_int(sw_get(reply.json, "bytes"), 0)),
               view_duration(c, sw_as_int(sw_get(reply.json, "tookMs"), 0)));
    return CLI_DONE;
}

static cli_end backup_of_folder(cli *c)
{
    copying k;
    cli_end end = copying_begin(&k, c, c->values[OPTION_DATA], c->words[0]);
    if (end == CLI_DONE) end = copying_finish(&k);
    if (end != CLI_DONE) return end;
    if (cli_has(c, OPTION_JSON))
        printf("{\"bytes\":%llu}\n", k.bytes);
    else
        printf("%s: %s\n", k.to, view_bytes(c, k.bytes));
    return CLI_DONE;
}

cli_end backup_make_copy(cli *c) { return cli_has(c, OPTION_DATA) ? backup_of_folder(c) : backup_by_server(c); }
