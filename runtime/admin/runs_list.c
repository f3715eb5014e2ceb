#include "runtime/admin/runs_list.h"

#include <assert.h>
#include <string.h>

#include "runtime/admin/inquiry.h"
#include "runtime/admin/list_query.h"
#include "runtime/admin/run_filter.h"
#include "runtime/base/problem.h"
#include "runtime/observe/runs_json.h"
#include "storage/store_by_hand.h"

enum {
    LIST_DEFAULT = 50,
    LIST_MAX = 500, /* as the refusal of a limit says */
    LIST_LOOKED_MAX = 20000,
    LIST_MS_MAX = 100
};

_Static_assert(LIST_DEFAULT >= 1 && LIST_DEFAULT <= LIST_MAX, "a list that names no limit has one that may be named");
_Static_assert(LIST_MAX <= LIST_LOOKED_MAX, "a page without a filter is full");

static const char list_names[] = RUN_FILTER_NAMES " and limit";

/* A request for a list that waits for the store. */
typedef struct listing {
    inquiry base;
    run_filter filter;
} listing;

static void list_on_found(void *arg, const store_found *found)
{
    listing *l = arg;
    char next[RUN_ID_TEXT + 1];
    assert(found->count <= LIST_MAX);
    if (found->error) {
        inquiry_refuse_store(&l->base, found->error);
        return;
    }
    json_writer w;
    json_writer_init(&w, l->base.home->arenas);
    json_open_map(&w, NULL);
    json_open_array(&w, "runs");
    for (size_t i = 0; i < found->count; i++) {
        if (i > 0) json_put_newline(&w);
        runs_json_line(&w, l->base.home->app, &found->runs[i]);
    }
    json_close_array(&w);
    if (found->next) {
        run_id_format(found->next, next);
        json_put_text(&w, "next", next);
    }
    json_close_map(&w);
    inquiry_answer(&l->base, &w);
}

/* Sets what one parameter says. Returns NULL, or what is wrong with it. */
static const char *list_take_parameter(void *arg, const char *name, const char *value)
{
    run_filter *f = arg;
    if (run_filter_knows(name)) return run_filter_set(f, name, value);
    if (strcmp(name, "limit") != 0) return list_query_unknown;
    f->query.limit = list_query_number(value, LIST_MAX);
    return f->query.limit == 0 ? "\"limit\" is 1 to 500" : NULL;
}

static void list_find(listing *l)
{
    if (l->filter.is_empty) {
        list_on_found(l, &(store_found){.count = 0});
        return;
    }
    if (!store_find(l->base.home->port, &l->filter.query, list_on_found, l)) inquiry_refuse_memory(&l->base);
}

void runs_answer_list(home *h, http_exchange *x)
{
    char wrong[LIST_QUERY_WRONG];
    if (!h->port) {
        problem_reply(x, 404, "this program has no endpoints", NULL);
        return;
    }
    listing *l = inquiry_new(h, x, sizeof *l);
    if (!l) return;
    run_filter_init(&l->filter, h->app);
    l->filter.query.limit = LIST_DEFAULT;
    l->filter.query.looked_max = LIST_LOOKED_MAX;
    l->filter.query.ms_max = store_is_by_hand(h->store) ? 0 : LIST_MS_MAX; /* what is repeated goes by no real clock */
    const char *why =
        list_query_read(http_exchange_request(x)->query, list_names, list_take_parameter, &l->filter, wrong);
    if (why)
        inquiry_refuse(&l->base, 400, why, NULL);
    else
        list_find(l);
}
