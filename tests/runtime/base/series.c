/* A table of series: equal labels have one id, whoever asks first, and there are never more ids than its limit. */
#include "runtime/base/series.h"

#include <pthread.h>

#include "tests/harness/check.h"

enum { MAX = 500, THREADS = 4, NAMES = 2000, ROUTES = 3, CODES = 4 };

static const char *const routes[ROUTES] = {"GET /a", "GET /b", NULL};
static series_table *table;

static series_labels labels_of(unsigned i, char name[32])
{
    size_t len = (size_t)snprintf(name, 32, "name %u", i / (ROUTES * CODES));
    return (series_labels){
        .route = routes[i % ROUTES], .name = name, .name_len = len, .code = (int)(i / ROUTES % CODES) - 1};
}

static void check_labels(uint32_t id, const series_labels *l)
{
    series_labels got = series_get(table, id);
    CHECK(got.route == l->route && got.code == l->code && got.name_len == l->name_len);
    CHECK(memcmp(got.name, l->name, l->name_len) == 0);
}

static void test_limit(void)
{
    char name[32];
    uint32_t ids[NAMES];
    table = series_table_new(MAX);
    CHECK(table && series_max(table) == MAX && series_count(table) == 0);
    for (unsigned i = 0; i < NAMES; i++) {
        series_labels l = labels_of(i, name);
        ids[i] = series_find(table, &l);
        CHECK_INT(ids[i], i < MAX ? i + 1 : SERIES_OTHER);
    }
    CHECK_INT(series_count(table), MAX);
    for (unsigned i = 0; i < NAMES; i++) {
        series_labels l = labels_of(i, name);
        CHECK_INT(series_find(table, &l), ids[i]);
        if (ids[i] != SERIES_OTHER) check_labels(ids[i], &l);
    }
    series_table_free(table);
}

/* Two texts at two places. */
static void test_routes(void)
{
    char first[] = "GET /x", second[] = "GET /x";
    const series_labels a = {.route = first}, b = {.route = second}, none = {.route = NULL};
    table = series_table_new(MAX);
    CHECK_INT(series_find(table, &a), 1);
    CHECK_INT(series_find(table, &b), 1);
    CHECK_INT(series_find(table, &none), 2);
    series_table_free(table);
}

static void test_smallest(void)
{
    const series_labels empty = {.route = NULL}, another = {.code = 1};
    table = series_table_new(1);
    CHECK_INT(series_find(table, &another), 1);
    CHECK_INT(series_find(table, &empty), SERIES_OTHER);
    CHECK_INT(series_find(table, &another), 1);
    series_table_free(table);
    series_table_free(NULL);
}

static void *ask_all(void *arg)
{
    uint32_t *ids = arg;
    char name[32];
    for (unsigned i = 0; i < NAMES; i++) {
        series_labels l = labels_of(i, name);
        ids[i] = series_find(table, &l);
        if (ids[i] != SERIES_OTHER) check_labels(ids[i], &l);
    }
    return NULL;
}

static void test_threads(void)
{
    static uint32_t ids[THREADS][NAMES];
    pthread_t threads[THREADS];
    for (int round = 0; round < 20; round++) {
        table = series_table_new(MAX);
        for (int i = 0; i < THREADS; i++) CHECK_INT(pthread_create(&threads[i], NULL, ask_all, ids[i]), 0);
        for (int i = 0; i < THREADS; i++) CHECK_INT(pthread_join(threads[i], NULL), 0);
        CHECK_INT(series_count(table), MAX);
        for (unsigned i = 0; i < NAMES; i++) {
            char name[32];
            series_labels l = labels_of(i, name);
            uint32_t id = series_find(table, &l);
            /* whoever came too late for a place was told so, and is told so for ever */
            for (int k = 0; k < THREADS; k++) CHECK_INT(ids[k][i], id);
        }
        series_table_free(table);
    }
}

static const check_case cases[] = {{"a table has no more series than its limit", test_limit},
                                   {"routes are compared as texts", test_routes},
                                   {"a table of one", test_smallest},
                                   {"threads that ask at once get the same ids", test_threads}};
CHECK_MAIN(cases)
