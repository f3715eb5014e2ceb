/* tail: what happens, as the server's feed tells it, a line each. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/safe.h"
#include "cli/view.h"
#include "runtime/base/clock.h"
#include "runtime/base/json_reader.h"
#include "storage/run_id.h"

enum { CELL_COLUMNS = 120, BRIEF_MS = 1000 };

typedef struct tail {
    cli *c;           /* with an arena of its own, that is emptied behind each event */
    const char *run;  /* NULL: all runs */
    const char *name; /* of the event whose data comes next */
    bool is_over;     /* the command ends, with `end` */
    cli_end end;
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

static void tail_end(tail *t, cli_end end)
{
    t->is_over = true;
    t->end = end;
}

static void tail_take(tail *t, const char *json)
{
    sw_value data;
    const char *message;
    if (!json_read_document(&t->c->arena, json, strlen(json), &data, &message)) return;
    tail_print(t, data);
    bool is_run = strcmp(t->name, "run") == 0 && t->run && sw_str_equal(sw_get(data, "runId"), t->run);
    if (fflush(stdout) != 0) tail_end(t, CLI_REFUSED);
    if (is_run && state_is_end(sw_get(data, "state"))) tail_end(t, CLI_DONE);
}

/* Ends the command if the run has ended: the feed says nothing of an end that came before the feed was opened. */
static void tail_look(tail *t)
{
    cli one = cli_beside(t->c);
    sw_value run;
    cli_end end = client_look(&one, t->run, &run);
    sw_value state = sw_get(run, "state");
    bool has_ended = end == CLI_DONE && state_is_end(state);
    if (has_ended && cli_has(t->c, OPTION_JSON))
        printf("{\"runId\":\"%s\",\"state\":\"%s\"}\n", t->run, view_text(&one, state, 0));
    else if (has_ended)
        printf("%s %s\n", t->run, view_text(&one, state, 0));
    if (has_ended || end != CLI_DONE) tail_end(t, end);
    arena_free(&one.arena);
}

static bool tail_on_line(void *arg, const char *line)
{
    tail *t = arg;
    if (*line == ':' && t->run) /* the feed is open, or a heartbeat */
        tail_look(t);
    else if (strncmp(line, "event: ", 7) == 0)
        t->name = safe_text(t->c, line + 7, strlen(line + 7), CELL_COLUMNS);
    else if (strncmp(line, "data: ", 6) == 0)
        tail_take(t, line + 6);
    else if (!*line)
        t->name = "message";
    if (!*line) arena_free(&t->c->arena);
    return !t->is_over;
}

/* Follows the feed, which ends when another process takes the server's place, until the run is over. */
static cli_end tail_follow(tail *t, const char *path)
{
    if (t->run) tail_look(t);
    while (!t->is_over) {
        int64_t began_ms = clock_steady_ms();
        cli_end end = client_follow(t->c, path, tail_on_line, t);
        if (end != CLI_DONE) return end;
        t->name = "message";
        bool is_brief = clock_steady_ms() - began_ms < BRIEF_MS;
        if (is_brief && !t->is_over) (void)sleep(1);
    }
    return t->end;
}

/* The id as the feed writes it: it may be given in either case. */
static const char *tail_run(cli *c)
{
    char text[RUN_ID_TEXT + 1];
    run_id id;
    if (c->word_count == 0) return NULL;
    if (!run_id_parse(c->words[0], strlen(c->words[0]), &id)) return c->words[0]; /* the server says what is wrong */
    run_id_format(&id, text);
    return cli_text(c, "%s", text);
}

cli_end runs_tail(cli *c)
{
    cli events = cli_beside(c);
    tail t = {.c = &events, .run = tail_run(c), .name = "message"};
    if (cli_has(c, OPTION_DATA)) return cli_fail(CLI_USAGE, "nothing happens in a folder that no program works with");
    const char *run = t.run ? cli_text(c, "?run=%s", client_escape(c, t.run)) : "";
    cli_end end = tail_follow(&t, cli_text(c, "/_sw/feed%s", run));
    arena_free(&events.arena);
    return end;
}
