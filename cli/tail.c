/* tail: what happens, as the server's feed tells it, a line each. */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/safe.h"
#include "cli/view.h"
#include "runtime/base/json_reader.h"

enum { CELL_COLUMNS = 120 };

typedef struct tail {
    cli *c;           /* with an arena of its own, that is emptied behind each event */
    const char *run;  /* NULL: all runs */
    const char *name; /* of the event whose data comes next */
} tail;

static bool state_is_end(sw_value state)
{
    return sw_str_equal(state, "succeeded") || sw_str_equal(state, "failed") || sw_str_equal(state, "cancelled");
}

static void tail_print(const tail *t, sw_value data)
{
    static const char *const members[] = {"runId", "endpoint", "step", "state", "attempt", "error", "status", "lost"};
    cli *c = t->c;
    if (cli_has(c, OPTION_JSON)) {
        view_print_json(c, data);
        return;
    }
    printf("%s %s", view_time(c, sw_get(data, "at")), t->name);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const char *text = view_text(c, sw_get(data, members[i]), CELL_COLUMNS);
        if (*text) printf(" %s", text);
    }
    putchar('\n');
}

/* Returns whether the feed goes on. */
static bool tail_take(tail *t, const char *json)
{
    sw_value data;
    const char *message;
    if (!json_read(&t->c->arena, json, strlen(json), &data, &message)) return true;
    tail_print(t, data);
    bool is_run = strcmp(t->name, "run") == 0 && t->run && sw_str_equal(sw_get(data, "runId"), t->run);
    return fflush(stdout) == 0 && !(is_run && state_is_end(sw_get(data, "state")));
}

static bool tail_on_line(void *arg, const char *line)
{
    tail *t = arg;
    bool goes_on = true;
    if (strncmp(line, "event: ", 7) == 0)
        t->name = safe_text(t->c, line + 7, strlen(line + 7), CELL_COLUMNS);
    else if (strncmp(line, "data: ", 6) == 0)
        goes_on = tail_take(t, line + 6);
    else if (!*line)
        t->name = "message";
    if (!*line) arena_free(&t->c->arena);
    return goes_on;
}

cli_end runs_tail(cli *c)
{
    cli events = *c;
    tail t = {.c = &events, .run = c->word_count > 0 ? c->words[0] : NULL, .name = "message"};
    arena_init(&events.arena, NULL);
    if (cli_has(c, OPTION_DATA)) return cli_fail(CLI_USAGE, "nothing happens in a folder that no program works with");
    const char *run = t.run ? cli_text(c, "?run=%s", client_escape(c, t.run)) : "";
    cli_end end = client_follow(c, cli_text(c, "/_sw/feed%s", run), tail_on_line, &t);
    arena_free(&events.arena);
    return end;
}
