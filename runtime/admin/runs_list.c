#include "runtime/admin/runs_list.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/uri.h"
#include "runtime/admin/inquiry.h"
#include "runtime/admin/run_filter.h"
#include "runtime/base/problem.h"
#include "runtime/observe/runs_json.h"
#include "storage/store_by_hand.h"

enum {
    LIST_DEFAULT = 50,
    LIST_MAX = 500,         /* as the refusal of a limit says */
    LIST_BYTES_MAX = 65536, /* read from each end of a run's journal */
    LIST_LOOKED_MAX = 20000,
    LIST_MS_MAX = 100,
    NAME_BYTES = 32,
    WRONG_BYTES = 256
};

_Static_assert(LIST_DEFAULT >= 1 && LIST_DEFAULT <= LIST_MAX, "a list that names no limit has one that may be named");
_Static_assert(LIST_MAX <= LIST_LOOKED_MAX, "a page without a filter is full");

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
    if (found->error == store_no_memory) {
        inquiry_refuse_memory(&l->base);
        return;
    }
    if (found->error) {
        inquiry_refuse(&l->base, 500, found->error, NULL);
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

/* 0: the text is no limit. */
static size_t list_read_limit(const char *text)
{
    char *end;
    unsigned long long limit = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    return limit > 0 && *end == 0 && limit <= LIST_MAX ? (size_t)limit : 0;
}

/* Sets what one parameter says. Returns NULL, or what is wrong with it: static, or in `wrong`. */
static const char *list_take_parameter(run_filter *f, const char *name, const char *value, char wrong[WRONG_BYTES])
{
    if (strcmp(name, "limit") == 0) {
        f->query.limit = list_read_limit(value);
        return f->query.limit == 0 ? "\"limit\" is 1 to 500" : NULL;
    }
    if (run_filter_knows(name)) return run_filter_set(f, name, value);
    /* An unknown one may be meant as a filter, and without it all runs would be taken for the chosen ones. */
    (void)snprintf(wrong, WRONG_BYTES,
                   "the list takes no parameter \"%s\", only endpoint, state, version, from, to, id, error, before, "
                   "after and limit",
                   name);
    return wrong;
}

static bool name_is_plain(http_text name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!((name.data[i] >= 'a' && name.data[i] <= 'z') || name.data[i] == '_')) return false;
    return name.len > 0 && name.len < NAME_BYTES;
}

/* Fills the filter from the query. Returns NULL, or what is wrong with the query: static, or in `wrong`. */
static const char *list_read_query(run_filter *f, http_text query, char wrong[WRONG_BYTES])
{
    char name[NAME_BYTES], value[3 * RUN_FILTER_TEXT + 1];
    http_text raw_name, raw_value;
    size_t len;
    for (size_t at = 0; uri_query_next(query, &at, &raw_name, &raw_value);) {
        if (!name_is_plain(raw_name)) return list_take_parameter(f, "?", "", wrong);
        (void)snprintf(name, sizeof name, "%.*s", (int)raw_name.len, raw_name.data);
        if (raw_value.len >= sizeof value) {
            (void)snprintf(wrong, WRONG_BYTES, "\"%s\" is too long", name);
            return wrong;
        }
        uri_decode_query(raw_value.data, raw_value.len, value, &len);
        const char *why = list_take_parameter(f, name, value, wrong);
        if (why) return why;
    }
    return NULL;
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
    char wrong[WRONG_BYTES];
    if (!h->port) {
        problem_reply(x, 404, "this program has no endpoints", NULL);
        return;
    }
    listing *l = inquiry_new(h, x, sizeof *l);
    if (!l) return;
    run_filter_init(&l->filter, h->app);
    l->filter.query.limit = LIST_DEFAULT;
    l->filter.query.bytes_max = LIST_BYTES_MAX;
    l->filter.query.looked_max = LIST_LOOKED_MAX;
    l->filter.query.ms_max = store_is_by_hand(h->store) ? 0 : LIST_MS_MAX; /* what is repeated goes by no real clock */
    const char *why = list_read_query(&l->filter, http_exchange_request(x)->query, wrong);
    if (why)
        inquiry_refuse(&l->base, 400, why, NULL);
    else
        list_find(l);
}
