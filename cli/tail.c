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

/* Whether the run is over, which the feed does not tell of one that was when it began. *end: how the command ends. */
static bool tail_is_over(const tail *t, cli_end *end)
{
    cli_reply reply;
    *end = client_get(t->c, cli_text(t->c, "/_sw/runs/%s", client_escape(t->c, t->run)), &reply);
    if (*end == CLI_DONE && !state_is_end(sw_get(reply.json, "state"))) return false;
    if (*end == CLI_DONE) printf("%s %s\n", t->run, view_text(t->c, sw_get(reply.json, "state"), 0));
    return true;
}

static bool tail_on_line(void *arg, const char *line)
{
    tail *t = arg;
    bool goes_on = true;
    cli_end ignored;
    if (*line == ':' && t->run) /* a heartbeat: it may have ended while the feed was opened */
        goes_on = !tail_is_over(t, &ignored);
    else if (strncmp(line, "event: ", 7) == 0)
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
    cli_end end = CLI_DONE;
    bool is_over = t.run && tail_is_over(&t, &end);
    if (is_over) arena_free(&events.arena);
    if (is_over) return end;
    const char *run = t.run ? cli_text(c, "?run=%s", client_escape(c, t.run)) : "";
    end = client_follow(c, cli_text(c, "/_sw/feed%s", run), tail_on_line, &t);
    arena_free(&events.arena);
    return end;
}
