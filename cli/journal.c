/* journal: entries as lines of JSON, and whether all of a folder can be read. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/offline.h"
#include "cli/safe.h"
#include "cli/view.h"
#include "runtime/base/json.h"
#include "runtime/observe/entry_json.h"
#include "storage/entry_order.h"
#include "storage/rocks/rocks.h"

enum { PROGRESS_EVERY = 1000, GAP_TEXT = 2 * RUN_ID_TEXT + 32 };

static void gap_text(const run_id *newer, const run_id *older, char out[GAP_TEXT])
{
    char behind[RUN_ID_TEXT + 1] = "the newest", before[RUN_ID_TEXT + 1] = "the oldest";
    if (newer) run_id_format(newer, behind);
    if (older) run_id_format(older, before);
    (void)snprintf(out, GAP_TEXT, "between %s and %s", before, behind);
}

/* ---- Dump ---- */

/* A line of an entry: {"runId":..., the entry's members}. `json` is the entry's object. */
static void put_line(FILE *to, const char *run, sw_bytes json)
{
    assert(json.len > 1 && *json.data == '{');
    fprintf(to, "{\"runId\":\"%s\",", run);
    view_put_json(to, json.data + 1, json.len - 1);
    fputc('\n', to);
}

typedef struct walk {
    cli *c;
    backend *b;
    FILE *to;
    long long runs, entries, damaged;
    bool is_terminal;
} walk;

static void walk_show(const walk *w)
{
    if (w->is_terminal && w->runs % PROGRESS_EVERY == 0)
        fprintf(stderr, "\r%lld runs, %lld damaged \033[K", w->runs, w->damaged);
}

/* Dumps the entries of a journal up to the first that cannot be read; w->damaged counts it, and why is said. */
static void dump_journal(walk *w, const store_journal *j)
{
    const char *error = NULL;
    char id[RUN_ID_TEXT + 1];
    entry e;
    run_id_format(&j->run, id);
    for (size_t at = 0, n; at < j->len && (n = entry_decode(j->data + at, j->len - at, &e, &error)) > 0; at += n) {
        json_writer out;
        json_writer_init(&out, NULL);
        entry_json_put(&out, &e);
        cli_must(out.is_short ? NULL : &out);
        put_line(w->to, id, (sw_bytes){out.out.data, out.out.size});
        json_writer_free(&out);
    }
    if (!error) error = j->error;
    w->damaged += error != NULL;
    if (error) (void)cli_fail(CLI_FOUND, "run %s: what comes behind its entries here cannot be read: %s", id, error);
}

static bool dump_each(void *arg, const run_id *id)
{
    walk *w = arg;
    store_journal j = {.run = *id};
    w->b->ops->load(w->b, &j, 0);
    w->runs++;
    dump_journal(w, &j);
    free(j.data);
    walk_show(w);
    return !ferror(w->to); /* which journal_dump says */
}

static void dump_gap(void *arg, const run_id *newer, const run_id *older)
{
    walk *w = arg;
    char where[GAP_TEXT];
    w->damaged++;
    gap_text(newer, older, where);
    (void)cli_fail(CLI_FOUND, "%s values cannot be read: runs are missing here", where);
}

static cli_end dump_all(walk *w)
{
    const char *error = NULL;
    if (!cli_has(w->c, OPTION_DATA))
        return cli_fail(CLI_USAGE, "all journals are dumped from a folder or a backup: --data DIR; or name a run");
    cli_end end;
    w->b = offline_open(w->c->values[OPTION_DATA], &end);
    if (!w->b) return end;
    w->is_terminal = isatty(STDERR_FILENO);
    end = offline_walk(w->b, NULL, dump_each, w);
    if (end == CLI_DONE && !rocks_find_gaps(w->b, dump_gap, w, &error)) end = cli_fail(CLI_REFUSED, "%s", error);
    if (w->is_terminal) fprintf(stderr, "\r%lld runs \033[K\n", w->runs);
    offline_close(w->b);
    return end;
}

static cli_end dump_from_folder(walk *w)
{
    store_journal j;
    cli_end end;
    w->b = offline_open(w->c->values[OPTION_DATA], &end);
    if (!w->b) return end;
    end = offline_load(w->b, w->c->words[0], &j);
    if (end == CLI_DONE) dump_journal(w, &j);
    free(j.data);
    offline_close(w->b);
    return end;
}

static cli_end dump_from_server(walk *w)
{
    cli *c = w->c;
    cli_reply reply;
    sw_bytes json;
    cli_end end = client_get(c, cli_text(c, "/_sw/runs/%s", client_escape(c, c->words[0])), &reply);
    if (end != CLI_DONE) return end;
    sw_value entries = sw_get(reply.json, "entries"), damage = sw_get(reply.json, "damage");
    const char *id = view_text(c, sw_get(reply.json, "runId"), 0);
    for (size_t i = 0; i < sw_len(entries); i++) {
        if (sw_type(sw_at(entries, i)) != SW_MAP || sw_len(sw_at(entries, i)) == 0)
            return cli_fail(CLI_REFUSED, "%s answers no journal: is it the admin API?", client_address(c));
        cli_must(json_write_document(&c->arena, sw_at(entries, i), &json) ? json.data : NULL);
        put_line(w->to, id, json);
    }
    if (sw_is_nil(damage)) return CLI_DONE;
    w->damaged++;
    return cli_fail(CLI_FOUND, "run %s: what comes behind its entries here cannot be read: %s", id,
                    view_text(c, damage, 0));
}

static cli_end dump(walk *w)
{
    cli_end end = w->c->word_count == 0        ? dump_all(w)
                  : cli_has(w->c, OPTION_DATA) ? dump_from_folder(w)
                                               : dump_from_server(w);
    return end == CLI_DONE && w->damaged > 0 ? CLI_FOUND : end;
}

cli_end journal_dump(cli *c)
{
    const char *path = c->values[OPTION_OUTPUT];
    FILE *to = path ? fopen(path, "wxe") : stdout;
    if (!to) return cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
    cli_end end = dump(&(walk){.c = c, .to = to});
    bool ok = fflush(to) == 0 && !ferror(to);
    if (path) ok = fclose(to) == 0 && ok;
    if (end != CLI_DONE && end != CLI_FOUND) return end;
    return ok ? end : cli_fail(CLI_REFUSED, "%s: cannot be written", path ? path : "standard output");
}

/* ---- Verify ---- */

/* What is wrong with the run's journal; NULL: nothing. */
static const char *journal_fault(const store_journal *j, long long *entries)
{
    entry_order order = {.count = 0};
    if (j->error) return j->error;
    const char *error = entry_order_read(&order, j->data, j->len);
    *entries += order.count;
    if (error) return error;
    if (j->len == 0) return "it has no entries";
    if (!order.has_ended && !j->live) return "it has neither an end nor a row in the live table: it would never go on";
    return order.has_ended && j->live ? "it has ended, and its row in the live table is still there" : NULL;
}

static void verify_say(const walk *w, const char *where, const char *fault)
{
    cli one = cli_beside(w->c);
    msgpack_object_kv members[] = {{cli_string("at"), cli_string(where)}, {cli_string("fault"), cli_string(fault)}};
    if (cli_has(w->c, OPTION_JSON))
        view_print_json(&one, cli_map(members, sizeof members / sizeof *members));
    else
        printf("%s  %s\n", where, safe_text(&one, fault, strlen(fault), 0));
    arena_free(&one.arena);
}

static bool verify_each(void *arg, const run_id *id)
{
    walk *w = arg;
    store_journal j = {.run = *id};
    char text[RUN_ID_TEXT + 1];
    w->b->ops->load(w->b, &j, 0);
    const char *fault = journal_fault(&j, &w->entries);
    w->runs++;
    w->damaged += fault != NULL;
    run_id_format(id, text);
    if (fault) verify_say(w, text, fault);
    free(j.data);
    walk_show(w);
    return true;
}

/* Runs that no list has, since a value of theirs cannot be read. */
static void verify_gap(void *arg, const run_id *newer, const run_id *older)
{
    walk *w = arg;
    char where[GAP_TEXT];
    w->damaged++;
    gap_text(newer, older, where);
    verify_say(w, where, "values that cannot be read: runs are missing here");
}

cli_end journal_verify(cli *c)
{
    const char *error = NULL;
    cli_end end;
    if (!cli_has(c, OPTION_DATA))
        return cli_fail(CLI_USAGE, "a folder that no program works with, or a backup, is verified: --data DIR");
    walk w = {.c = c, .is_terminal = isatty(STDERR_FILENO)};
    w.b = offline_open(c->values[OPTION_DATA], &end); /* which reads the logs, and refuses them damaged */
    if (!w.b) return end;
    end = offline_walk(w.b, NULL, verify_each, &w);
    if (end == CLI_DONE && !rocks_find_gaps(w.b, verify_gap, &w, &error)) end = cli_fail(CLI_REFUSED, "%s", error);
    offline_close(w.b);
    if (w.is_terminal) fputs("\r\033[K", stderr);
    if (end != CLI_DONE) return end;
    if (cli_has(c, OPTION_JSON))
        printf("{\"runs\":%lld,\"entries\":%lld,\"damaged\":%lld}\n", w.runs, w.entries, w.damaged);
    else
        printf("%lld runs, %lld entries, %lld damaged\n", w.runs, w.entries, w.damaged);
    return w.damaged > 0 ? CLI_FOUND : CLI_DONE;
}
