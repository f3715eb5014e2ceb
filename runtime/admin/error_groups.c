#include "runtime/admin/error_groups.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/admin/error_kind.h"
#include "runtime/admin/inquiry.h"
#include "runtime/admin/list_query.h"
#include "runtime/admin/run_filter.h"
#include "runtime/base/problem.h"
#include "storage/store_by_hand.h"

enum {
    RUNS_MAX = 2000, /* that are looked at for one answer */
    CELLS = 4096,    /* of the table of groups: a power of two, at most half full */
    MS_MAX = 150,
    GROUPS_DEFAULT = 50,
    GROUPS_MAX = 500
};
_Static_assert(RUNS_MAX * 2 <= CELLS, "there is room for as many groups as runs");

/* Runs that failed alike. Texts are the store's. */
typedef struct error_group {
    entry_text endpoint, step;
    char kind[ERROR_KIND_BYTES];
    size_t kind_len;
    int64_t first_ms, last_ms; /* when the first and the last ended */
    int64_t runs;
    run_id example; /* the newest */
} error_group;

typedef struct errors_inquiry {
    inquiry base;
    run_filter filter;
    size_t groups_max;
    error_group groups[RUNS_MAX];
    size_t count;
    uint16_t cells[CELLS]; /* number of a group from 1; 0: free */
} errors_inquiry;

/* ---- Groups ---- */

static uint32_t text_hash(uint32_t h, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) h = (h ^ (uint8_t)text[i]) * 16777619;
    return h * 16777619;
}

static bool group_equal(const error_group *a, const error_group *b)
{
    return a->kind_len == b->kind_len && memcmp(a->kind, b->kind, a->kind_len) == 0 &&
           entry_text_equal(a->step, b->step) && entry_text_equal(a->endpoint, b->endpoint);
}

/* The group of runs that failed as this one, which becomes one if there is none. */
static error_group *group_find(errors_inquiry *q, const error_group *like)
{
    uint32_t h = text_hash(2166136261, like->kind, like->kind_len);
    h = text_hash(text_hash(h, like->step.data, like->step.len), like->endpoint.data, like->endpoint.len);
    for (size_t i = h & (CELLS - 1);; i = (i + 1) & (CELLS - 1)) {
        if (q->cells[i] && group_equal(&q->groups[q->cells[i] - 1], like)) return &q->groups[q->cells[i] - 1];
        if (q->cells[i]) continue;
        assert(q->count < RUNS_MAX);
        q->groups[q->count] = *like;
        q->cells[i] = (uint16_t)++q->count;
        return &q->groups[q->count - 1];
    }
}

/* Runs come with the newest first. */
static void group_add(errors_inquiry *q, const store_summary *s)
{
    const run_summary *of = &s->of;
    int64_t at_ms = of->ended.at_ms;
    error_group like = {.endpoint = of->started.function,
                        .step = of->failed_step,
                        .first_ms = at_ms,
                        .last_ms = at_ms,
                        .example = s->run};
    const http_text error = {of->ended.error.data, of->ended.error.len};
    like.kind_len = error_kind(like.kind, q->filter.app->redact, error);
    error_group *g = group_find(q, &like);
    if (at_ms < g->first_ms) g->first_ms = at_ms;
    if (at_ms > g->last_ms) g->last_ms = at_ms;
    g->runs++;
}

static int last_first(const void *a, const void *b)
{
    int64_t x = ((const error_group *)a)->last_ms, y = ((const error_group *)b)->last_ms;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* ---- The answer ---- */

static void put_group(json_writer *w, const error_group *g)
{
    char id[RUN_ID_TEXT + 1];
    run_id_format(&g->example, id);
    json_open_map(w, NULL);
    json_put_bytes(w, "endpoint", g->endpoint.data, g->endpoint.len);
    if (g->step.len > 0) json_put_bytes(w, "step", g->step.data, g->step.len);
    json_put_bytes(w, "error", g->kind, g->kind_len);
    json_put_int(w, "first", g->first_ms);
    json_put_int(w, "last", g->last_ms);
    json_put_int(w, "runs", g->runs);
    json_put_text(w, "example", id);
    json_close_map(w);
}

static void errors_on_found(void *arg, const store_found *found)
{
    errors_inquiry *q = arg;
    if (found->error) {
        inquiry_refuse_store(&q->base, found->error);
        return;
    }
    for (size_t i = 0; i < found->count; i++) group_add(q, &found->runs[i]);
    if (q->count > 1) qsort(q->groups, q->count, sizeof *q->groups, last_first);
    json_writer w;
    json_writer_init(&w, q->base.home->arenas);
    json_open_map(&w, NULL);
    json_open_array(&w, "errors");
    for (size_t i = 0; i < q->count && i < q->groups_max; i++) {
        if (i > 0) json_put_newline(&w);
        put_group(&w, &q->groups[i]);
    }
    json_close_array(&w);
    if (q->count > q->groups_max) json_put_bool(&w, "more", true);
    json_put_int(&w, "runs", (int64_t)found->count);
    if (found->next) json_put_int(&w, "since", run_id_time_ms(found->next)); /* older failed runs were not looked at */
    json_close_map(&w);
    inquiry_answer(&q->base, &w);
}

/* Sets what one parameter says. Returns NULL, or what is wrong with it. */
static const char *errors_take_parameter(void *arg, const char *name, const char *value)
{
    errors_inquiry *q = arg;
    if (strcmp(name, "limit") == 0) {
        q->groups_max = list_query_number(value, GROUPS_MAX);
        return q->groups_max == 0 ? "\"limit\" is 1 to 500" : NULL;
    }
    if (strcmp(name, "endpoint") == 0 || strcmp(name, "from") == 0 || strcmp(name, "to") == 0)
        return run_filter_set(&q->filter, name, value);
    return list_query_unknown;
}

void errors_answer(home *h, http_exchange *x)
{
    char wrong[LIST_QUERY_WRONG];
    if (!h->port) {
        problem_reply(x, 404, "this program has no endpoints", NULL);
        return;
    }
    errors_inquiry *q = inquiry_new(h, x, sizeof *q);
    if (!q) return;
    run_filter_init(&q->filter, h->app);
    q->groups_max = GROUPS_DEFAULT;
    q->filter.query.fates = FATE_FAILED;
    q->filter.query.limit = RUNS_MAX;
    q->filter.query.ms_max = store_is_by_hand(h->store) ? 0 : MS_MAX;
    const char *why = list_query_read(http_exchange_request(x)->query, "endpoint, from, to and limit",
                                      errors_take_parameter, q, wrong);
    if (why)
        inquiry_refuse(&q->base, 400, why, NULL);
    else if (q->filter.is_empty)
        errors_on_found(q, &(store_found){.count = 0});
    else if (!store_find(h->port, &q->filter.query, errors_on_found, q))
        inquiry_refuse_memory(&q->base);
}
