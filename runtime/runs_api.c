#include "runtime/runs_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/uri.h"
#include "runtime/observe/runs_json.h"
#include "runtime/waiter.h"

enum { LIST_DEFAULT = 50, LIST_MAX = 500 };

/* A request that waits for the store. */
typedef struct inquiry {
    home *home;
    http_exchange *x;
    bool one; /* one run with its steps, not the list */
} inquiry;

/* ---- The answers ---- */

static void on_gone(http_exchange *x) { (void)x; /* the store answers soon; then the exchange is ended */ }

static inquiry *inquire(home *h, http_exchange *x, bool one)
{
    inquiry *q = malloc(sizeof *q);
    if (!q) {
        waiter_problem(x, 503, "out of memory", "5");
        return NULL;
    }
    *q = (inquiry){h, x, one};
    http_exchange_on_gone(x, on_gone);
    return q;
}

/* One that cannot be read is shown as such: it hides neither itself nor others. */
static bool is_there(const store_journal *j) { return j->found || j->live || j->error; }

static void on_loaded(void *arg, store_journal *journals, size_t count)
{
    inquiry *q = arg;
    http_exchange *x = q->x;
    if (q->one && !journals[0].found && !journals[0].live) {
        if (journals[0].error)
            waiter_problem(x, 503, journals[0].error, "5");
        else
            waiter_problem(x, 404, "no such run", NULL);
        free(q);
        return;
    }
    runs_text t;
    runs_text_init(&t, q->home->arenas);
    if (!q->one) runs_text_add(&t, "{\"runs\":[");
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (!is_there(&journals[i])) continue;
        if (!first) runs_text_add(&t, ",\n");
        first = false;
        runs_text_run(&t, q->home->app, &journals[i], q->one);
    }
    runs_text_add(&t, q->one ? "\n" : "]}\n");
    http_reply_header type = {"Content-Type", "application/json"};
    http_reply(x, 200, &type, 1, t.out.data, t.out.size);
    runs_text_free(&t);
    free(q);
}

static void on_ids(void *arg, const run_id *ids, size_t count, const char *error)
{
    inquiry *q = arg;
    if (!error && count > 0) {
        store_load(q->home->port, ids, count, on_loaded, q);
        return;
    }
    if (error) {
        waiter_problem(q->x, 500, error, NULL);
    } else {
        http_reply_header type = {"Content-Type", "application/json"};
        http_reply(q->x, 200, &type, 1, "{\"runs\":[]}\n", 12);
    }
    free(q);
}

void runs_api_list(home *h, http_exchange *x)
{
    const http_request *r = http_exchange_request(x);
    char value[1024] = "";
    bool readable = r->query.len < sizeof value;
    run_id before;
    bool after_one = readable && uri_query(r->query.data, r->query.len, "before", value);
    if (!readable || (after_one && !run_id_parse(value, strlen(value), &before))) {
        waiter_problem(x, 400, "\"before\" is not a run id", NULL);
        return;
    }
    long limit = LIST_DEFAULT;
    if (uri_query(r->query.data, r->query.len, "limit", value)) limit = strtol(value, NULL, 10);
    if (limit < 1 || limit > LIST_MAX) {
        waiter_problem(x, 400, "\"limit\" is 1 to 500", NULL);
        return;
    }
    if (!h->port) {
        waiter_problem(x, 404, "this program has no endpoints", NULL);
        return;
    }
    inquiry *q = inquire(h, x, false);
    if (q) store_list(h->port, after_one ? &before : NULL, (size_t)limit, on_ids, q);
}

void runs_api_one(home *h, http_exchange *x, const run_id *id)
{
    if (!h->port) {
        waiter_problem(x, 404, "no such run", NULL);
        return;
    }
    inquiry *q = inquire(h, x, true);
    if (q) store_load(h->port, id, 1, on_loaded, q);
}
