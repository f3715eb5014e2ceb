/* journal: entries as lines of JSON, and whether all of a folder can be read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/offline.h"
#include "cli/offline_runs.h"
#include "cli/safe.h"
#include "cli/view.h"
#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"
#include "runtime/observe/runs_json.h"
#include "storage/rocks/rocks.h"

enum { PROGRESS_EVERY = 1000 };

/* ---- Dump ---- */

/* A line for each entry: {"runId":..., entry's members}. */
static bool dump_entries(cli *c, sw_value run, FILE *to)
{
    sw_value entries = sw_get(run, "entries");
    sw_bytes id, json;
    cli_must(json_write(&c->arena, sw_get(run, "runId"), &id) ? id.data : NULL);
    for (size_t i = 0; i < sw_len(entries); i++) {
        cli_must(json_write(&c->arena, sw_at(entries, i), &json) ? json.data : NULL);
        fprintf(to, "{\"runId\":%s,", id.data);
        view_put_json(to, json.data + 1, json.len - 1);
        fputc('\n', to);
    }
    return !ferror(to);
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

static bool dump_each(void *arg, const run_id *id)
{
    walk *w = arg;
    store_journal j = {.run = *id};
    json_writer out;
    cli one = *w->c; /* with an arena of its own: a journal may be large, and there may be many */
    const char *message;
    sw_value run;
    arena_init(&one.arena, NULL);
    w->b->ops->load(w->b, &j, 0);
    json_writer_init(&out, NULL);
    runs_json_run(&out, NULL, &(run_page){.journal = &j});
    w->runs++;
    bool ok = json_read(&one.arena, out.out.data, out.out.size, &run, &message) && dump_entries(&one, run, w->to);
    json_writer_free(&out);
    arena_free(&one.arena);
    free(j.data);
    walk_show(w);
    return ok;
}

static cli_end dump_all(cli *c, FILE *to)
{
    cli_end end;
    if (!cli_has(c, OPTION_DATA))
        return cli_fail(CLI_USAGE, "all journals are dumped from a folder or a backup: --data DIR; or name a run");
    walk w = {.c = c, .to = to, .is_terminal = isatty(STDERR_FILENO)};
    w.b = offline_open(c->values[OPTION_DATA], &end);
    if (!w.b) return end;
    end = offline_walk(w.b, dump_each, &w);
    if (w.is_terminal) fprintf(stderr, "\r%lld runs \033[K\n", w.runs);
    offline_close(w.b);
    return end;
}

static cli_end dump_one(cli *c, FILE *to)
{
    cli_reply reply;
    cli_end end = cli_has(c, OPTION_DATA)
                      ? offline_run(c, c->words[0], &reply)
                      : client_get(c, cli_text(c, "/_sw/runs/%s", client_escape(c, c->words[0])), &reply);
    if (end == CLI_DONE) (void)dump_entries(c, reply.json, to);
    return end;
}

cli_end journal_dump(cli *c)
{
    const char *path = c->values[OPTION_OUTPUT];
    FILE *to = path ? fopen(path, "wxe") : stdout;
    if (!to) return cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
    cli_end end = c->word_count > 0 ? dump_one(c, to) : dump_all(c, to);
    bool ok = fflush(to) == 0 && !ferror(to);
    if (path) ok = fclose(to) == 0 && ok;
    if (end == CLI_DONE && !ok) return cli_fail(CLI_REFUSED, "%s: cannot be written", path ? path : "standard output");
    return end;
}

/* ---- Verify ---- */

/* What is wrong with the run's journal; NULL: nothing. */
static const char *journal_fault(const store_journal *j, long long *entries)
{
    const char *error = NULL;
    bool ended = false;
    entry e;
    if (j->error) return j->error;
    for (size_t at = 0, n, i = 0; at < j->len; at += n, i++) {
        n = entry_decode(j->data + at, j->len - at, &e, &error);
        if (n == 0) return error;
        if ((e.kind == ENTRY_STARTED) != (i == 0)) return "its first entry is not its start, or it has two";
        if (ended) return "there is an entry behind its end";
        ended = e.kind == ENTRY_ENDED;
        ++*entries;
    }
    if (j->len == 0) return "it has no entries";
    if (!ended && !j->live) return "it has neither an end nor a row in the live table: it would never go on";
    return ended && j->live ? "it has ended, and its row in the live table is still there" : NULL;
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
    if (fault) printf("%s  %s\n", text, safe_text(w->c, fault, strlen(fault), 0));
    free(j.data);
    walk_show(w);
    return true;
}

/* Runs that no list has, since a value of theirs cannot be read. */
static void verify_gap(void *arg, const run_id *newer, const run_id *older)
{
    walk *w = arg;
    char behind[RUN_ID_TEXT + 1] = "the newest", before[RUN_ID_TEXT + 1] = "the oldest";
    if (newer) run_id_format(newer, behind);
    if (older) run_id_format(older, before);
    w->damaged++;
    printf("between %s and %s  values that cannot be read: runs are missing here\n", before, behind);
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
    end = offline_walk(w.b, verify_each, &w);
    if (end == CLI_DONE && !rocks_find_gaps(w.b, verify_gap, &w, &error)) end = cli_fail(CLI_REFUSED, "%s", error);
    offline_close(w.b);
    if (w.is_terminal) fputs("\r\033[K", stderr);
    if (end != CLI_DONE) return end;
    printf("%lld runs, %lld entries, %lld damaged\n", w.runs, w.entries, w.damaged);
    return w.damaged > 0 ? CLI_FOUND : CLI_DONE;
}
