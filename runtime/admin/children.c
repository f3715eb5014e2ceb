#include "runtime/admin/children.h"

#include <assert.h>
#include <string.h>

#include "runtime/admin/inquiry.h"
#include "runtime/admin/list_query.h"
#include "runtime/base/problem.h"
#include "runtime/observe/runs_json.h"
#include "storage/kin.h"
#include "storage/row_cursor.h"

enum {
    CHILDREN_DEFAULT = 50,
    AT_ONCE = 32 /* runs that are read, and written, in one turn of the loop: it serves others between them */
};

/* A request for a page. */
typedef struct children_page {
    inquiry base;
    run_id run, before;
    bool has_before;
    bool has_older;      /* than the last of the page */
    size_t limit;        /* children on the page */
    row_cursor at;       /* in `kin`, once a row was read */
    size_t count, shown; /* children that were found; of these are in the document, or have gone */
    json_writer w;
    bool has_line; /* in `w` */
    run_id ids[CHILDREN_MAX];
} children_page;

static void children_refuse(children_page *p, const char *error)
{
    json_writer_free(&p->w);
    inquiry_refuse_store(&p->base, error);
}

/* ---- What they are ---- */

static void children_end(children_page *p)
{
    char next[RUN_ID_TEXT + 1];
    json_writer w = p->w;
    assert(p->shown == p->count);
    json_close_array(&w);
    if (p->has_older) {
        run_id_format(&p->ids[p->count - 1], next);
        json_put_text(&w, "next", next);
    }
    json_close_map(&w);
    inquiry_answer(&p->base, &w);
}

static void children_show(children_page *p);

static void children_on_runs(void *arg, const store_summary *runs, size_t count)
{
    children_page *p = arg;
    assert(count > 0 && p->shown + count <= p->count);
    for (size_t i = 0; i < count; i++) {
        if (runs[i].error == store_no_memory) {
            children_refuse(p, store_no_memory);
            return;
        }
        if (!runs[i].found && !runs[i].live && !runs[i].error) continue; /* deleted since the rows were read */
        if (p->has_line) json_put_newline(&p->w);
        p->has_line = true;
        runs_json_line(&p->w, p->base.home->app, &runs[i]);
    }
    p->shown += count;
    children_show(p);
}

/* Reads the next few, or answers. */
static void children_show(children_page *p)
{
    const size_t left = p->count - p->shown, count = left < AT_ONCE ? left : AT_ONCE;
    store_port *port = p->base.home->port;
    if (count == 0)
        children_end(p);
    else if (!store_summarize(port, p->ids + p->shown, count, CHILDREN_GLANCE_BYTES, children_on_runs, p))
        children_refuse(p, store_no_memory);
}

/* Whether there is a run without children. */
static void children_on_run(void *arg, const store_summary *run, size_t count)
{
    children_page *p = arg;
    assert(count == 1);
    (void)count;
    if (run->error == store_no_memory) {
        children_refuse(p, store_no_memory);
    } else if (run->found || run->live || run->error) {
        children_end(p);
    } else {
        json_writer_free(&p->w);
        inquiry_refuse(&p->base, 404, "no such run", NULL);
    }
}

/* ---- Which they are ---- */

static void children_find(children_page *p);

static void children_on_rows(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    children_page *p = arg;
    assert(p->count + count <= p->limit);
    if (error) {
        children_refuse(p, error);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        p->count += kin_key_read(rows[i].key, &p->ids[p->count]); /* false: a damaged row, which leads to nothing */
        row_cursor_pass(&p->at, rows[i].key);
    }
    p->has_older = !end && p->count > 0;
    if (!end && p->count < p->limit)
        children_find(p);
    else if (p->count > 0)
        children_show(p);
    else if (!store_summarize(p->base.home->port, &p->run, 1, 1, children_on_run, p))
        children_refuse(p, store_no_memory);
}

static void children_find(children_page *p)
{
    kin_bounds b;
    store_range range = kin_range(&b, &p->run, KIN_CHILD, p->has_before ? &p->before : NULL, p->limit - p->count);
    if (p->at.len > 0) range.from = row_cursor_from(&p->at);
    if (!store_scan(p->base.home->port, &range, children_on_rows, p)) children_refuse(p, store_no_memory);
}

/* ---- The request ---- */

/* Sets what one parameter says. Returns NULL, or what is wrong with it. */
static const char *children_take_parameter(void *arg, const char *name, const char *value)
{
    children_page *p = arg;
    if (strcmp(name, "limit") == 0) {
        p->limit = list_query_number(value, CHILDREN_MAX);
        return p->limit > 0 ? NULL : "\"limit\" is 1 to 500";
    }
    if (strcmp(name, "before") != 0) return list_query_unknown;
    p->has_before = run_id_parse(value, strlen(value), &p->before);
    return p->has_before ? NULL : "\"before\" is not a run id, which has 26 letters and digits";
}

void children_answer(home *h, http_exchange *x, const run_id *id)
{
    char wrong[LIST_QUERY_WRONG];
    children_page *p = inquiry_new(h, x, sizeof *p);
    if (!p) return;
    p->run = *id;
    p->limit = CHILDREN_DEFAULT;
    json_writer_init(&p->w, h->arenas);
    const char *why =
        list_query_read(http_exchange_request(x)->query, "before and limit", children_take_parameter, p, wrong);
    if (why) {
        json_writer_free(&p->w);
        inquiry_refuse(&p->base, 400, why, NULL);
        return;
    }
    json_open_map(&p->w, NULL);
    json_open_array(&p->w, "children");
    children_find(p);
}
