#include "runtime/admin/runs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "http/uri.h"
#include "runtime/base/json_writer.h"
#include "runtime/base/problem.h"
#include "runtime/observe/runs_json.h"

enum {
    LIST_DEFAULT = 50,
    LIST_MAX = 500,         /* as the refusal of a limit says */
    LIST_BYTES_MAX = 65536, /* read from each end of a run's journal */
    QUERY_BYTES = 1024
};

_Static_assert(LIST_DEFAULT >= 1 && LIST_DEFAULT <= LIST_MAX, "a list that names no limit has one that may be named");

/* A request that waits for the store. Ends its exchange and frees itself with the answer. */
typedef struct inquiry {
    home *home;
    http_exchange *x;
} inquiry;

static void inquiry_on_gone(http_exchange *x) { (void)x; /* the store answers soon; then the exchange is ended */ }

/* NULL: no memory, and the exchange has its answer. */
static inquiry *inquiry_new(home *h, http_exchange *x)
{
    inquiry *q = malloc(sizeof *q);
    if (!q) {
        problem_reply(x, 503, "out of memory", "5");
        return NULL;
    }
    *q = (inquiry){h, x};
    http_exchange_on_gone(x, inquiry_on_gone);
    return q;
}

static void inquiry_refuse(inquiry *q)
{
    problem_reply(q->x, 503, store_no_memory, "5");
    free(q);
}

/* Answers with the document, which is complete, and frees the writer. */
static void inquiry_answer(inquiry *q, json_writer *w)
{
    http_reply_header type = {"Content-Type", "application/json"};
    assert(w->depth == 0);
    json_put_newline(w);
    if (w->is_short && !BUG(SHORT_PAGE)) {
        inquiry_refuse(q);
    } else {
        http_reply(q->x, 200, &type, 1, (http_text){w->out.data, w->out.size});
        free(q);
    }
    json_writer_free(w);
}

/* ---- The list ---- */

/* Whether the list shows the run: also one that cannot be read, so that it hides neither itself nor others. */
static bool summary_is_shown(const store_summary *s) { return s->found || s->live || s->error; }

static void list_on_summaries(void *arg, const store_summary *runs, size_t count)
{
    inquiry *q = arg;
    assert(count <= LIST_MAX);
    for (size_t i = 0; i < count; i++)
        if (runs[i].error == store_no_memory) {
            inquiry_refuse(q);
            return;
        }
    json_writer w;
    json_writer_init(&w, q->home->arenas);
    json_open_map(&w, NULL);
    json_open_array(&w, "runs");
    for (size_t i = 0, shown = 0; i < count; i++) {
        if (!summary_is_shown(&runs[i])) continue;
        if (shown++ > 0) json_put_newline(&w);
        runs_json_line(&w, q->home->app, &runs[i]);
    }
    json_close_array(&w);
    json_close_map(&w);
    inquiry_answer(q, &w);
}

static void list_on_ids(void *arg, const run_id *ids, size_t count, const char *error)
{
    inquiry *q = arg;
    assert(count <= LIST_MAX);
    if (error) {
        problem_reply(q->x, 500, error, NULL);
        free(q);
    } else if (count > 0) {
        if (!store_summarize(q->home->port, ids, count, LIST_BYTES_MAX, list_on_summaries, q)) inquiry_refuse(q);
    } else {
        list_on_summaries(q, NULL, 0);
    }
}

/* Whether the list knows all parameters of the query: an unknown one may be meant as a filter, and without it all runs
 * would be taken for the chosen ones. */
static bool list_takes_parameters(http_text query)
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

/* 0: the text is no limit. */
static size_t list_read_limit(const char *text)
{
    char *end;
    unsigned long long limit = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    return limit > 0 && *end == 0 && limit <= LIST_MAX ? (size_t)limit : 0;
}

/* What a request asks of the list. */
typedef struct list_wish {
    bool has_before;
    run_id before; /* only runs that began before this one */
    size_t limit;
} list_wish;

/* NULL, or what is wrong with the request. */
static const char *list_read_wish(const http_request *r, list_wish *wish)
{
    char value[QUERY_BYTES] = "";
    *wish = (list_wish){.limit = LIST_DEFAULT};
    if (!list_takes_parameters(r->query))
        return "the list takes \"before\" and \"limit\" and no other parameter: choose from what it shows";
    bool readable = r->query.len < sizeof value;
    wish->has_before = readable && uri_query(r->query.data, r->query.len, "before", value);
    if (!readable || (wish->has_before && !run_id_parse(value, strlen(value), &wish->before)))
        return "\"before\" is not a run id";
    if (uri_query(r->query.data, r->query.len, "limit", value)) wish->limit = list_read_limit(value);
    return wish->limit == 0 ? "\"limit\" is 1 to 500" : NULL;
}

void runs_answer_list(home *h, http_exchange *x)
{
    list_wish wish;
    const char *wrong = list_read_wish(http_exchange_request(x), &wish);
    if (wrong) {
        problem_reply(x, 400, wrong, NULL);
        return;
    }
    if (!h->port) {
        problem_reply(x, 404, "this program has no endpoints", NULL);
        return;
    }
    inquiry *q = inquiry_new(h, x);
    if (q && !store_list(h->port, wish.has_before ? &wish.before : NULL, wish.limit, list_on_ids, q)) inquiry_refuse(q);
}

/* ---- One run ---- */

static void run_on_loaded(void *arg, store_journal *j, size_t count)
{
    inquiry *q = arg;
    assert(count == 1);
    (void)count;
    if (j->error == store_no_memory) {
        inquiry_refuse(q);
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
    json_writer w;
    json_writer_init(&w, q->home->arenas);
    runs_json_run(&w, q->home->app, j);
    inquiry_answer(q, &w);
}

void runs_answer_one(home *h, http_exchange *x, const run_id *id)
{
    if (!h->port) {
        problem_reply(x, 404, "no such run", NULL);
        return;
    }
    inquiry *q = inquiry_new(h, x);
    if (q && !store_load(h->port, id, 1, run_on_loaded, q)) inquiry_refuse(q);
}
