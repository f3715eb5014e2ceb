/* runs: lists of runs, single runs, and what happens to them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/choice.h"
#include "cli/client.h"
#include "cli/offline_runs.h"
#include "cli/questions.h"
#include "cli/safe.h"
#include "cli/table.h"
#include "cli/view.h"
#include "runtime/base/clock.h"

enum {
    PAGE_MAX = 500,
    LIST_DEFAULT = 50,
    LIST_MOST = 1000000,
    ENDPOINT_COLUMNS = 40,
    WHAT_COLUMNS = 60,
    INPUT_COLUMNS = 30,
    CURSOR_BYTES = 64
};

/* ---- The list ---- */

/* "a:b c:d" */
static const char *labels_of(cli *c, sw_value labels)
{
    const char *all = "";
    for (size_t i = 0; i < sw_len(labels); i++) {
        sw_value text, key = sw_key_at(labels, i, &text);
        all = cli_text(c, "%s%s%s:%s", all, *all ? " " : "", view_text(c, key, 0), view_text(c, text, 0));
    }
    return all;
}

/* Why it failed or stands, or how far it is. */
static const char *what_of(cli *c, sw_value line)
{
    static const char *const members[] = {"error", "detail", "damage", "status"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        sw_value v = sw_get(line, members[i]);
        if (!sw_is_nil(v)) return view_text(c, v, WHAT_COLUMNS);
    }
    return "";
}

static const char *state_of(cli *c, sw_value line)
{
    const char *state = view_text(c, sw_get(line, "state"), 0), *reason = view_text(c, sw_get(line, "reason"), 0);
    if (*reason) state = cli_text(c, "%s (%s)", state, reason);
    return sw_as_bool(sw_get(line, "detached"), false) ? cli_text(c, "%s, detached", state) : state;
}

static const char *took_of(cli *c, sw_value line)
{
    int64_t from = sw_as_int(sw_get(line, "startedAt"), 0), to = sw_as_int(sw_get(line, "endedAt"), clock_wall_ms());
    return from > 0 ? view_duration(c, to - from) : "";
}

static void list_add(table *t, sw_value line)
{
    cli *c = t->c;
    const char *const cells[] = {view_text(c, sw_get(line, "runId"), 0),
                                 state_of(c, line),
                                 view_text(c, sw_get(line, "endpoint"), ENDPOINT_COLUMNS),
                                 view_time(c, sw_get(line, "startedAt")),
                                 took_of(c, line),
                                 labels_of(c, sw_get(line, "labels")),
                                 what_of(c, line)};
    table_add(t, cells);
}

static void list_begin(table *t, cli *c)
{
    static const char *const heads[] = {"RUN", "STATE", "ENDPOINT", "BEGAN (UTC)", "TOOK", "LABELS", "WHAT", NULL};
    table_begin(t, c, 7, heads);
}

/* `one`: the command with an arena that goes with the line. */
static void list_take(void *arg, cli *one, sw_value line)
{
    table *t = arg;
    if (cli_has(one, OPTION_JSON))
        view_print_json(one, line);
    else
        list_add(t, line);
}

/* A list of the server's. */
typedef struct served_list {
    const char *path, *query; /* query: "" or with its "&" */
    const char *member;       /* of a page: its runs */
    long long wanted;         /* at most; of these are still to come */
    table t;
} served_list;

/* Takes a page of runs below `before`, which is "" for the newest ones, and then where the next page begins, "" behind
 * the last. */
static cli_end list_page(cli *one, served_list *l, char before[CURSOR_BYTES])
{
    cli_reply reply;
    long long page = l->wanted < PAGE_MAX ? l->wanted : PAGE_MAX;
    const char *cursor = *before ? cli_text(one, "&before=%s", client_escape(one, before)) : "";
    cli_end end = client_get(one, cli_text(one, "%s?limit=%lld%s%s", l->path, page, l->query, cursor), &reply);
    if (end != CLI_DONE) return end;
    sw_value runs = sw_get(reply.json, l->member), next = sw_get(reply.json, "next");
    for (size_t i = 0; i < sw_len(runs) && l->wanted > 0; i++, l->wanted--) list_take(&l->t, one, sw_at(runs, i));
    bool has_next = sw_type(next) == SW_STRING;
    if (has_next && sw_len(next) >= CURSOR_BYTES)
        return cli_fail(CLI_REFUSED, "%s names a next page that is no run id", client_address(one));
    (void)snprintf(before, CURSOR_BYTES, "%.*s", has_next ? (int)sw_len(next) : 0, has_next ? next.via.str.ptr : "");
    return CLI_DONE;
}

/* Asks page after page. What is there by then has been added, also when one is refused. */
static cli_end list_pages(served_list *l)
{
    const cli *c = l->t.c;
    const char *first = c->values[OPTION_BEFORE];
    char before[CURSOR_BYTES];
    cli_end end = CLI_DONE;
    if (first && strlen(first) >= CURSOR_BYTES) return cli_fail(CLI_USAGE, "--before is a run id");
    (void)snprintf(before, sizeof before, "%s", first ? first : "");
    do {
        cli one = cli_beside(c);
        end = list_page(&one, l, before);
        arena_free(&one.arena);
    } while (end == CLI_DONE && *before && l->wanted > 0);
    return end;
}

/* Lists runs of the server, or of a folder as `offline` does. */
static cli_end list_print(cli *c, served_list *l, cli_end (*offline)(cli *c, offline_listing *listing))
{
    long long bounds[2] = {1, LIST_MOST};
    if (!cli_number(c, OPTION_LIMIT, LIST_DEFAULT, bounds, &l->wanted)) return CLI_USAGE;
    list_begin(&l->t, c);
    offline_listing listing = {.wanted = l->wanted, .on_line = list_take, .arg = &l->t};
    cli_end end = cli_has(c, OPTION_DATA) ? offline(c, &listing) : list_pages(l);
    if (!cli_has(c, OPTION_JSON) && (end == CLI_DONE || l->t.first->next)) table_print(&l->t);
    return end;
}

cli_end runs_list(cli *c)
{
    served_list l = {.path = "/_sw/runs", .query = choice_query(c), .member = "runs"};
    return list_print(c, &l, offline_list);
}

cli_end runs_children(cli *c)
{
    const char *path = cli_text(c, "/_sw/runs/%s/children", client_escape(c, c->words[0]));
    served_list l = {.path = path, .query = "", .member = "children"};
    return list_print(c, &l, offline_children);
}

/* ---- One run ---- */

/* The document of a run, from the server or the folder. */
static cli_end run_get(cli *c, const char *id, cli_reply *out)
{
    const char *before = c->values[OPTION_BEFORE];
    if (cli_has(c, OPTION_DATA)) return offline_run(c, id, out);
    const char *query = before ? cli_text(c, "?forks_before=%s", client_escape(c, before)) : "";
    return client_get(c, cli_text(c, "/_sw/runs/%s%s", client_escape(c, id), query), out);
}

static void show_member(table *t, sw_value run, const char *name, const char *head)
{
    const char *const cells[] = {head, view_text(t->c, sw_get(run, name), 0)};
    if (*cells[1]) table_add(t, cells);
}

/* The runs that were forked from it, the newest first. */
static void show_forks(table *t, sw_value run)
{
    sw_value forks = sw_get(run, "forks");
    for (size_t i = 0; i < sw_len(forks); i++) {
        sw_value fork = sw_at(forks, i);
        const char *id = view_text(t->c, sw_get(fork, "runId"), 0), *state = view_text(t->c, sw_get(fork, "state"), 0);
        table_add(t, (const char *const[]){i == 0 ? "forks" : "", cli_text(t->c, "%s %s", id, state)});
    }
    const char *older = view_text(t->c, sw_get(run, "olderForks"), 0);
    if (*older) table_add(t, (const char *const[]){"older forks", cli_text(t->c, "with --before %s", older)});
    show_member(t, run, "forksUnread", "forks");
}

static void show_head(cli *c, sw_value run)
{
    static const struct {
        const char *name, *head;
    } members[] = {{"runId", "run"},
                   {"endpoint", "endpoint"},
                   {"target", "target"},
                   {"version", "version"},
                   {"error", "error"},
                   {"cancelledBy", "cancelled by"},
                   {"detail", "stopped"},
                   {"stoppedBy", "stopped by"},
                   {"damage", "damage"},
                   {"status", "status"},
                   {"forkedFrom", "forked from"},
                   {"calledBy", "called by"},
                   {"inputsDiffered", "inputs that differed"},
                   {"resultsUnasked", "results not asked for"}};
    table t;
    table_begin(&t, c, 2, NULL);
    table_add(&t, (const char *const[]){"state", state_of(c, run)});
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        show_member(&t, run, members[i].name, members[i].head);
    sw_value input = sw_get(run, "input");
    if (!sw_is_nil(input)) table_add(&t, (const char *const[]){"input", view_text(c, input, WHAT_COLUMNS)});
    show_member(&t, run, "inputLeftOut", "bytes of its input");
    show_forks(&t, run);
    const char *why = view_text(c, sw_get(sw_get(run, "why"), "text"), 0);
    if (*why) table_add(&t, (const char *const[]){"why", why});
    const char *point = view_time(c, sw_get(run, "scheduledAt"));
    if (*point) table_add(&t, (const char *const[]){"scheduled for", point});
    table_add(&t, (const char *const[]){"began", view_time(c, sw_get(run, "startedAt"))});
    table_add(&t, (const char *const[]){"took", took_of(c, run)});
    const char *labels = labels_of(c, sw_get(run, "labels")), *usage = view_text(c, sw_get(run, "usage"), 0);
    if (*labels) table_add(&t, (const char *const[]){"labels", labels});
    if (*usage) table_add(&t, (const char *const[]){"usage", usage});
    table_print(&t);
}

static const char *number_of(cli *c, sw_value v)
{
    return sw_is_nil(v) ? "" : cli_text(c, "%lld", (long long)sw_as_int(v, 0));
}

/* What an entry says, in one cell. */
static const char *entry_what(cli *c, sw_value e)
{
    static const char *const members[] = {"error", "by", "value", "status", "reason", "units"};
    const char *function = view_text(c, sw_get(e, "function"), 0);
    if (*function) return cli_text(c, "%s, run %s", function, view_text(c, sw_get(e, "child"), 0));
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        sw_value v = sw_get(e, members[i]);
        if (!sw_is_nil(v)) return view_text(c, v, WHAT_COLUMNS);
    }
    return "";
}

static void show_entries(cli *c, sw_value run)
{
    static const char *const heads[] = {"AT", "ENTRY", "ID", "ATTEMPT", "TOOK", "WHAT", NULL};
    sw_value entries = sw_get(run, "entries");
    int64_t began = sw_as_int(sw_get(run, "startedAt"), 0);
    table t;
    table_begin(&t, c, 6, heads);
    for (size_t i = 0; i < sw_len(entries); i++) {
        sw_value e = sw_at(entries, i), id = sw_get(e, "id"), took = sw_get(e, "duration");
        if (sw_is_nil(id)) id = sw_get(e, "model");
        int64_t at = sw_as_int(sw_get(e, "at"), 0);
        const char *const cells[] = {at > 0 ? view_duration(c, at - began) : "",
                                     view_text(c, sw_get(e, "kind"), 0),
                                     view_text(c, id, ENDPOINT_COLUMNS),
                                     number_of(c, sw_get(e, "attempt")),
                                     sw_is_nil(took) ? "" : view_duration(c, sw_as_int(took, 0)),
                                     entry_what(c, e)};
        table_add(&t, cells);
    }
    if (t.first->next) putchar('\n');
    if (t.first->next) table_print(&t);
}

/* ---- Steps, as a server with a program has them ---- */

static const char *step_name(cli *c, sw_value step)
{
    const char *id = view_text(c, sw_get(step, "id"), ENDPOINT_COLUMNS);
    int64_t occurrence = sw_as_int(sw_get(step, "occurrence"), 0);
    return occurrence > 0 ? cli_text(c, "%s:%lld", id, (long long)occurrence) : id;
}

static const char *step_took(cli *c, sw_value step)
{
    int64_t begun = sw_as_int(sw_get(step, "begunAt"), 0), ended = sw_as_int(sw_get(step, "endedAt"), 0);
    return begun > 0 && ended >= begun ? view_duration(c, ended - begun) : "";
}

/* Its last error, or its result. */
static const char *step_end(cli *c, sw_value step)
{
    sw_value attempts = sw_get(step, "attempts"), error = sw_get(step, "error");
    if (sw_len(attempts) > 0) error = sw_get(sw_at(attempts, sw_len(attempts) - 1), "error");
    return view_text(c, sw_is_nil(error) ? sw_get(step, "value") : error, WHAT_COLUMNS);
}

/* What it has sent to another run, which run it has called or what it waits for, and what came of it. */
static const char *step_what(cli *c, sw_value step)
{
    const char *sent = questions_sent(c, step), *end = step_end(c, step);
    const char *function = view_text(c, sw_get(step, "function"), 0), *signal = view_text(c, sw_get(step, "signal"), 0);
    if (*sent) return sent;
    if (*signal) return cli_text(c, "signal %s%s%s", signal, *end ? ": " : "", end);
    if (!*function) return end;
    return cli_text(c, "%s, run %s%s%s", function, view_text(c, sw_get(step, "child"), 0), *end ? ": " : "", end);
}

static void show_steps(cli *c, sw_value run)
{
    static const char *const heads[] = {"AT", "STEP", "STATE", "ATTEMPTS", "TOOK", "INPUT", "WHAT", NULL};
    sw_value steps = sw_get(run, "steps");
    int64_t began = sw_as_int(sw_get(run, "startedAt"), 0);
    table t;
    table_begin(&t, c, 7, heads);
    for (size_t i = 0; i < sw_len(steps); i++) {
        sw_value step = sw_at(steps, i);
        int64_t at = sw_as_int(sw_get(step, "begunAt"), 0);
        size_t attempts = sw_len(sw_get(step, "attempts"));
        const char *const cells[] = {at > 0 ? view_duration(c, at - began) : "",
                                     step_name(c, step),
                                     view_text(c, sw_get(step, "state"), 0),
                                     attempts > 0 ? cli_text(c, "%zu", attempts) : "",
                                     step_took(c, step),
                                     view_text(c, sw_get(step, "input"), INPUT_COLUMNS),
                                     step_what(c, step)};
        table_add(&t, cells);
    }
    putchar('\n');
    table_print(&t);
}

cli_end runs_show(cli *c)
{
    cli_reply reply;
    cli_end end = run_get(c, c->words[0], &reply);
    if (end != CLI_DONE) return end;
    if (cli_has(c, OPTION_JSON)) {
        view_print_json(c, reply.json);
        return CLI_DONE;
    }
    show_head(c, reply.json);
    questions_show(c, reply.json);
    if (sw_len(sw_get(reply.json, "steps")) > 0)
        show_steps(c, reply.json);
    else
        show_entries(c, reply.json);
    return CLI_DONE;
}

cli_end runs_export(cli *c)
{
    cli_reply reply;
    const char *path = c->values[OPTION_OUTPUT];
    cli_end end = run_get(c, c->words[0], &reply);
    if (end != CLI_DONE) return end;
    FILE *to = path ? fopen(path, "wxe") : stdout;
    if (!to) return cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
    view_put_json(to, reply.body, reply.len);
    bool ok = fflush(to) == 0 && !ferror(to);
    if (path) ok = fclose(to) == 0 && ok;
    return ok ? CLI_DONE : cli_fail(CLI_REFUSED, "%s: %s", path ? path : "standard output", strerror(errno));
}
