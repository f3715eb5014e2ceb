#include "cli/offline_runs.h"

#include <stdlib.h>
#include <string.h>

#include "cli/choice.h"
#include "cli/offline.h"
#include "runtime/admin/children.h"
#include "runtime/base/json_reader.h"
#include "runtime/observe/forks_json.h"
#include "storage/glance.h"
#include "storage/kin.h"
#include "storage/rocks/rocks.h"
#include "storage/row_cursor.h"

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

static void tell_line(cli *c, const offline_listing *asked, const store_summary *s)
{
    cli one = cli_beside(c);
    json_writer w;
    cli_reply reply;
    json_writer_init(&w, NULL);
    runs_json_line(&w, NULL, s);
    asked->on_line(asked->arg, &one, read_back(&one, &w, &reply));
    arena_free(&one.arena);
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
    if (run_id_compare(id, &q->from) < 0) return false;
    glance_take(l->b, &s, q->bytes_max);
    if (query_takes(q, &s)) {
        tell_line(l->c, l->asked, &s);
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

/* A page of a run's children. */
typedef struct children {
    run_id ids[CHILDREN_MAX];
    size_t count;
    row_cursor at; /* once a row was read */
} children;

static void on_child(void *arg, store_bytes key, store_bytes value)
{
    children *p = arg;
    (void)value;
    p->count += kin_key_read(key, &p->ids[p->count]);
    row_cursor_pass(&p->at, key);
}

static bool tell_child(cli *c, backend *b, const offline_listing *asked, const run_id *id)
{
    store_summary s = {.run = *id};
    glance_take(b, &s, CHILDREN_GLANCE_BYTES);
    bool is_there = s.found || s.live || s.error;
    if (is_there) tell_line(c, asked, &s);
    glance_free(&s);
    return is_there;
}

static cli_end tell_children(cli *c, backend *b, const offline_listing *asked, const run_id bounds[2])
{
    static children p;
    const char *error = NULL;
    backend_scan result = BACKEND_SCAN_MORE;
    kin_bounds keys;
    for (long long left = asked->wanted; left > 0 && result == BACKEND_SCAN_MORE;) {
        const size_t page = left < CHILDREN_MAX ? (size_t)left : CHILDREN_MAX;
        store_range range = kin_range(&keys, &bounds[0], KIN_CHILD, &bounds[1], page);
        if (p.at.len > 0) range.from = row_cursor_from(&p.at);
        p.count = 0;
        result = b->ops->scan(b, &range, on_child, &p, &error);
        if (result == BACKEND_SCAN_FAILED) return cli_fail(CLI_REFUSED, "the children cannot be read: %s", error);
        for (size_t i = 0; i < p.count; i++) left -= tell_child(c, b, asked, &p.ids[i]);
    }
    return CLI_DONE;
}

cli_end offline_children(cli *c, offline_listing *asked)
{
    store_journal j;
    cli_end end;
    run_id bounds[2]; /* the run, and behind its newest child */
    const char *before = c->values[OPTION_BEFORE];
    memset(bounds[1].bytes, UINT8_MAX, RUN_ID_BYTES);
    if (before && !run_id_parse(before, strlen(before), &bounds[1])) return cli_fail(CLI_USAGE, "--before is a run id");
    backend *b = offline_open(c->values[OPTION_DATA], &end);
    if (!b) return end;
    end = offline_load(b, c->words[0], &j);
    bounds[0] = j.run;
    free(j.data);
    if (end == CLI_DONE) end = tell_children(c, b, asked, bounds);
    offline_close(b);
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
