#include "cli/choice.h"

#include <string.h>

#include "cli/client.h"

static const struct {
    cli_option option;
    const char *name;
} parameters[] = {{OPTION_STATE, "state"},
                  {OPTION_ENDPOINT, "endpoint"},
                  {OPTION_RUN_VERSION, "version"},
                  {OPTION_LABEL, "label"},
                  {OPTION_ID, "id"},
                  {OPTION_ERROR, "error"},
                  {OPTION_FAILED_STEP, "step"},
                  {OPTION_KIND, "kind"},
                  {OPTION_FROM, "from"},
                  {OPTION_TO, "to"}};
enum { PARAMETERS = sizeof parameters / sizeof *parameters };

const char *choice_query(cli *c)
{
    const char *all = "";
    for (size_t i = 0; i < PARAMETERS; i++) {
        const char *value = c->values[parameters[i].option];
        if (value) all = cli_text(c, "%s&%s=%s", all, parameters[i].name, client_escape(c, value));
    }
    return all;
}

sw_value choice_object(cli *c)
{
    size_t count = 0;
    msgpack_object_kv *members = arena_zalloc(&c->arena, PARAMETERS * sizeof *members);
    cli_must(members);
    for (size_t i = 0; i < PARAMETERS; i++) {
        const char *value = c->values[parameters[i].option];
        if (value) members[count++] = (msgpack_object_kv){cli_string(parameters[i].name), cli_string(value)};
    }
    return cli_map(members, count);
}

static cli_end choice_set(run_filter *f, const char *name, const char *value)
{
    const char *wrong = value ? run_filter_set(f, name, value) : NULL;
    return wrong ? cli_fail(CLI_USAGE, "%s", wrong) : CLI_DONE;
}

cli_end choice_read(const cli *c, run_filter *f)
{
    run_filter_init(f, NULL);
    cli_end end = choice_set(f, "before", c->values[OPTION_BEFORE]);
    for (size_t i = 0; i < PARAMETERS && end == CLI_DONE; i++)
        end = choice_set(f, parameters[i].name, c->values[parameters[i].option]);
    return end;
}
