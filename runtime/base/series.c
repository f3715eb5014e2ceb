#include "runtime/base/series.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct series {
    uint64_t hash;
    const char *route;
    uint32_t id;
    int code;
    size_t name_len;
    char name[];
} series;

/* `cells` is a hash table with open addressing, at most half full. A cell is written once, under the lock, so that who
 * has no lock sees either nothing in it or a series that never changes. */
struct series_table {
    pthread_mutex_t lock;
    uint32_t max;
    uint32_t count; /* atomic */
    bool is_full;   /* atomic; set when the last series can be found */
    size_t mask;    /* of `cells` */
    series **cells; /* each atomic */
    series **by_id; /* each atomic; [0] stays NULL */
};

enum { SERIES_MAX_MOST = 1 << 20 };

series_table *series_table_new(uint32_t max)
{
    assert(max > 0 && max <= SERIES_MAX_MOST);
    size_t cells = 2;
    while (cells < 2 * (size_t)max) cells *= 2;
    series_table *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->max = max;
    t->mask = cells - 1;
    t->cells = calloc(cells, sizeof(series *));
    t->by_id = calloc((size_t)max + 1, sizeof(series *));
    if (t->cells && t->by_id && pthread_mutex_init(&t->lock, NULL) == 0) return t;
    free(t->cells);
    free(t->by_id);
    free(t);
    return NULL;
}

void series_table_free(series_table *t)
{
    if (!t) return;
    for (uint32_t id = 1; id <= t->count; id++) free(t->by_id[id]);
    (void)pthread_mutex_destroy(&t->lock);
    free(t->cells);
    free(t->by_id);
    free(t);
}

/* FNV-1a over the texts; the code is mixed in by a multiplication. */
static uint64_t labels_hash(const series_labels *l)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *c = l->route; c && *c; c++) hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    for (size_t i = 0; i < l->name_len; i++) hash = (hash ^ (unsigned char)l->name[i]) * 0x100000001b3u;
    hash = (hash ^ (uint32_t)l->code) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

/* Two endpoints may have equal routes, at two addresses. */
static bool route_is(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static bool series_has(const series *s, const series_labels *l, uint64_t hash)
{
    return s->hash == hash && route_is(s->route, l->route) && s->code == l->code && s->name_len == l->name_len &&
           (l->name_len == 0 || memcmp(s->name, l->name, l->name_len) == 0);
}

/* Returns the cell that has the series, or the free one in which the search for it ends. */
static series **series_cell(const series_table *t, const series_labels *l, uint64_t hash)
{
    for (size_t i = hash & t->mask;; i = (i + 1) & t->mask) {
        const series *s = __atomic_load_n(&t->cells[i], __ATOMIC_ACQUIRE);
        if (!s || series_has(s, l, hash)) return &t->cells[i];
    }
}

/* Under the lock. NULL: no memory. */
static series *series_add(series_table *t, const series_labels *l, uint64_t hash)
{
    series *s = malloc(sizeof *s + l->name_len);
    if (!s) return NULL;
    *s = (series){.hash = hash, .route = l->route, .id = t->count + 1, .code = l->code, .name_len = l->name_len};
    if (l->name_len > 0) memcpy(s->name, l->name, l->name_len);
    __atomic_store_n(&t->by_id[s->id], s, __ATOMIC_RELEASE);
    __atomic_store_n(&t->count, s->id, __ATOMIC_RELEASE);
    __atomic_store_n(series_cell(t, l, hash), s, __ATOMIC_RELEASE); /* who finds it may get its labels */
    if (s->id == t->max) __atomic_store_n(&t->is_full, true, __ATOMIC_RELEASE);
    return s;
}

uint32_t series_find(series_table *t, const series_labels *l)
{
    uint64_t hash = labels_hash(l);
    bool is_full = __atomic_load_n(&t->is_full, __ATOMIC_ACQUIRE); /* before the look: it may be the last one */
    const series *s = __atomic_load_n(series_cell(t, l, hash), __ATOMIC_ACQUIRE);
    if (s) return s->id;
    if (is_full) return SERIES_OTHER;
    (void)pthread_mutex_lock(&t->lock);
    s = *series_cell(t, l, hash); /* another loop may have added it */
    if (!s && t->count < t->max) s = series_add(t, l, hash);
    (void)pthread_mutex_unlock(&t->lock);
    return s ? s->id : SERIES_OTHER;
}

uint32_t series_max(const series_table *t) { return t->max; }

uint32_t series_count(const series_table *t) { return __atomic_load_n(&t->count, __ATOMIC_ACQUIRE); }

series_labels series_get(const series_table *t, uint32_t id)
{
    assert(id > 0 && id <= series_count(t));
    const series *s = __atomic_load_n(&t->by_id[id], __ATOMIC_ACQUIRE);
    return (series_labels){.route = s->route, .name = s->name, .name_len = s->name_len, .code = s->code};
}
