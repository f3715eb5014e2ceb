#include "runtime/admin/runs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "http/uri.h"
#include "runtime/base/problem.h"
#include "runtime/observe/runs_json.h"

enum {
    LIST_DEFAULT = 50,
    LIST_MAX = 500,
    LIST_BYTES_MAX = 65536 /* read from each end of a run's journal */
};

/* A request that waits for the store. */
typedef struct inquiry {
    home *home;
    http_exchange *x;
} inquiry;

static void on_gone(http_exchange *x) { (void)x; /* the store answers soon; then the exchange is ended */ }

static inquiry *inquire(home *h, http_exchange *x)
{
    inquiry *q = malloc(sizeof *q);
    if (!q) {
        problem_reply(x, 503, "out of memory", "5");
        return NULL;
    }
    *q = (inquiry){h, x};
    http_exchange_on_gone(x, on_gone);
    return q;
}

static void refuse(inquiry *q)
{
    problem_reply(q->x, 503, store_no_memory, "5");
    free(q);
}

static void answer(inquiry *q, runs_text *t)
{
    http_reply_header type = {"Content-Type", "application/json"};
    if (t->is_short && !BUG(SHORT_PAGE)) {
        refuse(q);
    } else {
        http_reply(q->x, 200, &type, 1, t->out.data, t->out.size);
        free(q);
    }
    runs_text_free(t);
}

/* ---- The list ---- */

/* One that cannot be read is shown as such: it hides neither itself nor others. */
static bool is_there(const store_summary *s) { return s->found || s->live || s->error; }

static void on_summaries(void *arg, const store_summary *runs, size_t count)
{
    inquiry *q = arg;
    const char *before = "";
    for (size_t i = 0; i < count; i++)
        if (runs[i].error == store_no_memory) {
            refuse(q);
            return;
        }
    runs_text t;
    runs_text_init(&t, q->home->arenas);
    runs_text_add(&t, "{\"runs\":[");
    for (size_t i = 0; i < count; i++) {
        if (!is_there(&runs[i])) continue;
        runs_text_add(&t, before);
        runs_text_line(&t, q->home->app, &runs[i]);
        before = ",\n";
    }
    runs_text_add(&t, "]}\n");
    answer(q, &t);
}

static void on_ids(void *arg, const run_id *ids, size_t count, const char *error)
{
    inquiry *q = arg;
    if (error) {
        problem_reply(q->x, 500, error, NULL);
        free(q);
    } else if (count > 0) {
        if (!store_summarize(q->home->port, ids, count, LIST_BYTES_MAX, on_summaries, q)) refuse(q);
    } else {
        on_summaries(q, NULL, 0);
    }
}

/* What is taken for a filter and is none would show all runs for a part. */
static bool takes_all_parameters(http_text query)
{
    static const char *const taken[] = {"before", "limit"};
    http_text name, value;
    for (size_t at = 0; uri_query_next(query, &at, &name, &value);) {
        bool is_taken = false;
        for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
            is_taken = is_taken || (name.len == strlen(taken[i]) && memcmp(name.data, taken[i], name.len) == 0);
        if (!is_taken) return false;
    }
    return true;
}

/* Zero: it is none. */
static size_t limit_of(const char *text)
{
    char *end;
    unsigned long long limit = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    return limit > 0 && *end == 0 && limit <= LIST_MAX ? (size_t)limit : 0;
}

void runs_api_list(home *h, http_exchange *x)
{
    const http_request *r = http_exchange_request(x);
    char value[1024] = "";
    if (!takes_all_parameters(r->query)) {
        problem_reply(
            x, 400, "the list takes \"before\" and \"limit\" and no other parameter: choose from what it shows", NULL);
        return;
    }
    bool readable = r->query.len < sizeof value;
    run_id before;
    bool after_one = readable && uri_query(r->query.data, r->query.len, "before", value);
    if (!readable || (after_one && !run_id_parse(value, strlen(value), &before))) {
        problem_reply(x, 400, "\"before\" is not a run id", NULL);
        return;
    }
    size_t limit = LIST_DEFAULT;
    if (uri_query(r->query.data, r->query.len, "limit", value)) limit = limit_of(value);
    if (limit == 0) {
        problem_reply(x, 400, "\"limit\" is 1 to 500", NULL);
        return;
    }
    if (!h->port) {
        problem_reply(x, 404, "this program has no endpoints", NULL);
        return;
    }
    inquiry *q = inquire(h, x);
    if (q && !store_list(h->port, after_one ? &before : NULL, limit, on_ids, q)) refuse(q);
}

/* ---- One run ---- */

static void on_loaded(void *arg, store_journal *j, size_t count)
{
    inquiry *q = arg;
    assert(count == 1);
    (void)count;
    if (j->error == store_no_memory) {
        refuse(q);
        return;
    }
    if (!j->found && !j->live) {
        if (j->error)
            problem_reply(q->x, 503, j->error, "5");
        else
            problem_reply(q->x, 404, "no such run", NULL);
        free(q);
        return;
    }
    runs_text t;
    runs_text_init(&t, q->home->arenas);
    runs_text_run(&t, q->home->app, j);
    runs_text_add(&t, "\n");
    answer(q, &t);
}

void runs_api_one(home *h, http_exchange *x, const run_id *id)
{
    if (!h->port) {
        problem_reply(x, 404, "no such run", NULL);
        return;
    }
    inquiry *q = inquire(h, x);
    if (q && !store_load(h->port, id, 1, on_loaded, q)) refuse(q);
}
