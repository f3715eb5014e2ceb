#include "cli/offline_runs.h"

#include <stdlib.h>
#include <string.h>

#include "cli/choice.h"
#include "cli/offline.h"
#include "runtime/base/json_reader.h"
#include "runtime/observe/forks_json.h"
#include "storage/glance.h"
#include "storage/kin.h"
#include "storage/rocks/rocks.h"

/* Takes over the text that the writer has made. */
static sw_value read_back(cli *c, json_writer *w, cli_reply *out)
{
    const char *message;
    cli_must(w->is_short ? NULL : w);
    *out = (cli_reply){.status = 200, .body = cli_bytes(c, w->out.data, w->out.size), .len = w->out.size};
    json_writer_free(w);
    if (!json_read_document(&c->arena, out->body, out->len, &out->json, &message)) cli_must(NULL);
    return out->json;
}

typedef struct listing {
    cli *c;
    backend *b;
    offline_listing *asked;
    run_filter filter;
    long long left;
} listing;

static bool list_each(void *arg, const run_id *id)
{
    listing *l = arg;
    const run_query *q = &l->filter.query;
    store_summary s = {.run = *id};
    json_writer w;
    cli_reply reply;
    if (run_id_compare(id, &q->from) < 0) return false;
    glance_take(l->b, &s, q->bytes_max);
    if (query_takes(q, &s)) {
        cli one = cli_beside(l->c);
        json_writer_init(&w, NULL);
        runs_json_line(&w, NULL, &s);
        l->asked->on_line(l->asked->arg, &one, read_back(&one, &w, &reply));
        arena_free(&one.arena);
        l->left--;
    }
    glance_free(&s);
    return l->left > 0;
}

static void count_gap(void *arg, const run_id *newer, const run_id *older)
{
    offline_listing *l = arg;
    (void)newer, (void)older;
    l->gaps++;
}

cli_end offline_list(cli *c, offline_listing *asked)
{
    const char *error = NULL;
    listing l = {.c = c, .asked = asked, .left = asked->wanted};
    const run_query *q = &l.filter.query;
    cli_end end = choice_read(c, &l.filter);
    if (end != CLI_DONE) return end;
    l.b = offline_open(c->values[OPTION_DATA], &end);
    if (!l.b) return end;
    if (!l.filter.is_empty) end = offline_walk(l.b, q->has_before ? &q->before : NULL, list_each, &l);
    if (end == CLI_DONE && asked->has_gaps && !rocks_find_gaps(l.b, count_gap, asked, &error))
        end = cli_fail(CLI_REFUSED, "%s", error);
    offline_close(l.b);
    return end;
}

static void on_fork(void *arg, store_bytes key, store_bytes value)
{
    (void)value;
    forks_take_row(arg, key);
}

/* Finds the run's forks, older than the run `before` unless that is NULL, and how they stand. */
static void read_forks(backend *b, const run_id *run, const run_id *before, shown_forks *f)
{
    kin_bounds bounds;
    const store_range range = kin_range(&bounds, run, KIN_FORK, before, FORKS_MAX);
    f->has_older = b->ops->scan(b, &range, on_fork, f, &f->error) == BACKEND_SCAN_MORE;
    for (size_t i = 0; i < f->count; i++) {
        store_summary s = {.run = f->ids[i]};
        glance_take(b, &s, FORKS_GLANCE_BYTES);
        forks_take_run(f, i, NULL, &s);
        glance_free(&s);
    }
}

cli_end offline_run(cli *c, const char *id, cli_reply *out)
{
    store_journal j;
    json_writer w;
    cli_end end;
    run_id before;
    shown_forks forks = {.count = 0};
    const char *text = c->values[OPTION_BEFORE];
    if (text && !run_id_parse(text, strlen(text), &before)) return cli_fail(CLI_USAGE, "--before is a run id");
    backend *b = offline_open(c->values[OPTION_DATA], &end);
    if (!b) return end;
    end = offline_load(b, id, &j);
    if (end == CLI_DONE) {
        read_forks(b, &j.run, text ? &before : NULL, &forks);
        json_writer_init(&w, NULL);
        runs_json_run(&w, NULL, &(run_page){.journal = &j, .forks = &forks});
        json_put_newline(&w);
        (void)read_back(c, &w, out);
    }
    free(j.data);
    offline_close(b);
    return end;
}
