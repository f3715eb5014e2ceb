/* steering: what is done to runs, one after the other; one that is refused keeps none of the others from it. */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/table.h"
#include "cli/view.h"

typedef struct deed {
    const char *method, *path; /* path: behind the run's */
    const char *done, *asked;  /* what 200 and 202 mean */
    const char *body;          /* NULL: none */
} deed;

static cli_end steer_one(cli *c, const deed *d, const char *id)
{
    cli_reply reply;
    cli_end end =
        client_call(c, d->method, cli_text(c, "/_sw/runs/%s%s", client_escape(c, id), d->path), d->body, &reply);
    if (end != CLI_DONE) return end;
    if (reply.status < 200 || reply.status >= 300) {
        fprintf(stderr, "%s: ", id);
        return client_refused(c, &reply);
    }
    if (cli_has(c, OPTION_JSON) && !sw_is_nil(reply.json))
        view_print_json(c, reply.json);
    else
        printf("%s: %s\n", id, reply.status == 202 ? d->asked : d->done);
    return CLI_DONE;
}

static cli_end steer(cli *c, const deed *d)
{
    cli_end all = CLI_DONE;
    if (cli_has(c, OPTION_DATA))
        return cli_fail(CLI_USAGE, "a run is steered by the program that has it: start it, or use --url");
    for (size_t i = 0; i < c->word_count && all != CLI_NOT_THERE; i++) {
        cli_end end = steer_one(c, d, c->words[i]);
        if (end != CLI_DONE) all = end;
    }
    return all;
}

cli_end runs_cancel(cli *c)
{
    return steer(c, &(deed){.method = "DELETE", .path = "", .done = "cancelled", .asked = "will be cancelled"});
}

cli_end runs_stop(cli *c)
{
    const char *body = cli_text(c, "{%s}", cli_member(c, "text", c->values[OPTION_TEXT]));
    return steer(c, &(deed){.method = "POST", .path = "/stop", .done = "stopped", .asked = "stops", .body = body});
}

cli_end runs_release(cli *c)
{
    return steer(c,
                 &(deed){.method = "POST", .path = "/release", .done = "goes on", .asked = "will go on", .body = ""});
}

cli_end runs_resume(cli *c)
{
    long long ms, bounds[2] = {1, 1LL << 52};
    if (!cli_number(c, OPTION_TIMEOUT, 0, bounds, &ms)) return CLI_USAGE;
    const char *body = ms > 0 ? cli_text(c, "{\"timeoutMs\":%lld}", ms) : "{}";
    return steer(c, &(deed){.method = "POST", .path = "/resume", .done = "goes on", .asked = "goes on", .body = body});
}

/* The run has the signal when it waits for one of that name; what is no JSON the server refuses. */
cli_end runs_signal(cli *c)
{
    const char *body = c->word_count > 2 ? c->words[2] : "", *name = client_escape(c, c->words[1]);
    c->word_count = 1;
    return steer(c, &(deed){.method = "POST",
                            .path = cli_text(c, "/signals/%s", name),
                            .done = "has the signal",
                            .asked = "has the signal",
                            .body = body});
}

/* ---- Fork ---- */

/* The file's bytes as a JSON string; NULL: it cannot be read, and that was said. */
static const char *body_member(cli *c, const char *path)
{
    static char bytes[8 << 20];
    if (!path) return "";
    FILE *f = fopen(path, "re");
    size_t len = f ? fread(bytes, 1, sizeof bytes - 1, f) : 0;
    bool ok = f && !ferror(f) && feof(f);
    if (f) fclose(f);
    bytes[len] = 0;
    if (!ok || strlen(bytes) != len) {
        (void)cli_fail(CLI_USAGE, "--body %s: cannot be read, has 8 MiB or more, or is no text", path);
        return NULL;
    }
    return cli_member(c, "body", bytes);
}

static void fork_add(table *t, sw_value operations, const char *what)
{
    for (size_t i = 0; i < sw_len(operations); i++) {
        sw_value o = sw_at(operations, i);
        const char *id = view_text(t->c, sw_get(o, "id"), 0);
        long long occurrence = (long long)sw_as_int(sw_get(o, "occurrence"), 0);
        if (occurrence > 0) id = cli_text(t->c, "%s:%lld", id, occurrence);
        const char *kind = view_text(t->c, sw_get(o, "kind"), 0);
        if (sw_as_bool(sw_get(o, "detached"), false)) kind = "detached call";
        table_add(t, (const char *const[]){what, kind, id, view_text(t->c, sw_get(o, "path"), 0)});
    }
}

static void fork_print(cli *c, sw_value plan)
{
    table t;
    table_begin(&t, c, 4, NULL);
    fork_add(&t, sw_get(plan, "copied"), "copied");
    fork_add(&t, sw_get(plan, "again"), "again");
    table_print(&t);
}

cli_end runs_fork(cli *c)
{
    const char *from = cli_member(c, "from", c->values[OPTION_FROM_STEP]),
               *body = body_member(c, c->values[OPTION_BODY]);
    cli_reply reply;
    if (!body) return CLI_USAGE;
    if (cli_has(c, OPTION_DATA)) return steer(c, NULL);
    const char *text = cli_text(c, "{\"dryRun\":%s%s%s%s%s}", cli_has(c, OPTION_DRY_RUN) ? "true" : "false",
                                *from ? "," : "", from, *body ? "," : "", body);
    cli_end end = client_do(c, "POST", cli_text(c, "/_sw/runs/%s/fork", client_escape(c, c->words[0])), text, &reply);
    if (end != CLI_DONE) return end;
    if (cli_has(c, OPTION_JSON)) {
        view_print_json(c, reply.json);
    } else if (cli_has(c, OPTION_DRY_RUN)) {
        fork_print(c, reply.json);
    } else {
        printf("%s\n", view_text(c, sw_get(reply.json, "runId"), 0));
    }
    return CLI_DONE;
}
