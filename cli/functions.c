/* functions: what a program does without a request: which functions it has, and beginning a run of one. */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/safe.h"
#include "cli/table.h"
#include "cli/view.h"
#include "runtime/base/json_reader.h"
#include "runtime/run/function_name.h"

static bool is_offline(const cli *c)
{
    if (cli_has(c, OPTION_DATA)) (void)cli_fail(CLI_USAGE, "functions are the running program's: use --url");
    return cli_has(c, OPTION_DATA);
}

static void add_function(table *t, sw_value f)
{
    static const char *const counts[] = {"running", "stoppedRuns", "succeeded", "failed", "cancelled"};
    const char *cells[6] = {view_text(t->c, sw_get(f, "endpoint"), 0)};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        cells[i + 1] = cli_text(t->c, "%lld", (long long)sw_as_int(sw_get(f, counts[i]), 0));
    table_add(t, cells);
}

/* Those of the endpoints that are functions. */
static sw_value functions_of(cli *c, sw_value endpoints)
{
    sw_value all = {.type = MSGPACK_OBJECT_ARRAY};
    msgpack_object *found = arena_alloc(&c->arena, (sw_len(endpoints) + 1) * sizeof *found);
    cli_must(found);
    for (size_t i = 0; i < sw_len(endpoints); i++) {
        sw_value f = sw_at(endpoints, i);
        if (sw_str_equal(sw_get(f, "kind"), "function")) found[all.via.array.size++] = f;
    }
    all.via.array.ptr = found;
    return all;
}

cli_end functions_list(cli *c)
{
    static const char *const heads[] = {"FUNCTION", "AT WORK", "STOPPED", "SUCCEEDED", "FAILED", "CANCELLED", NULL};
    cli_reply reply;
    table t;
    if (is_offline(c)) return CLI_USAGE;
    cli_end end = client_get(c, "/_sw/endpoints", &reply);
    if (end != CLI_DONE) return end;
    table_begin(&t, c, 6, heads);
    table_list(&t, functions_of(c, sw_get(reply.json, "endpoints")), add_function);
    return CLI_DONE;
}

static cli_end name_check(cli *c, const char *name)
{
    if (function_name_is_good(name)) return CLI_DONE;
    return cli_fail(CLI_USAGE, "\"%s\" is no name of a function: " FUNCTION_NAME_RULE,
                    safe_text(c, name, strlen(name), FUNCTION_NAME_MAX), FUNCTION_NAME_MAX);
}

static cli_end key_check(const char *key)
{
    for (const char *at = key; at && *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f) return cli_fail(CLI_USAGE, "--key has a control character");
    /* Of such a header nothing would be sent, and the run would have no key. */
    if (key && key[strspn(key, " ")] == 0) return cli_fail(CLI_USAGE, "--key is empty");
    return CLI_DONE;
}

cli_end functions_start(cli *c)
{
    const char *json = c->word_count > 1 ? c->words[1] : NULL, *message = "", *key = c->values[OPTION_KEY];
    cli_reply reply;
    sw_value ignored;
    if (is_offline(c) || name_check(c, c->words[0]) != CLI_DONE || key_check(key) != CLI_DONE) return CLI_USAGE;
    if (json && !json_read(&c->arena, json, strlen(json), &ignored, &message))
        return cli_fail(CLI_USAGE, "the input is no JSON: %s", safe_text(c, message, strlen(message), 0));
    const client_request q = {
        .method = "POST", .path = cli_text(c, "/_sw/functions/%s", c->words[0]), .body = json ? json : "", .key = key};
    cli_end end = client_ask(c, &q, &reply);
    if (end != CLI_DONE) return end;
    if (reply.status < 200 || reply.status >= 300) return client_refused(c, &reply);
    return client_tell_run(c, &reply);
}
