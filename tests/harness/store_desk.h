/* store_desk: a store with one port, driven by hand, for tests of the store alone. `root` is the test's folder. */
#ifndef TESTS_HARNESS_STORE_DESK_H
#define TESTS_HARNESS_STORE_DESK_H

#include <time.h>
#include <unistd.h>

#include "storage/store.h"
#include "tests/harness/check.h"

static char root[64];
static char error[1024];

/* ---- A store with one port, driven by hand ---- */

typedef struct desk {
    uv_loop_t loop;
    store *store;
    store_port *port;
    size_t committed, failed, changes;
    char last_error[512];
} desk;

static inline void on_committed(void *arg, store_segment *list)
{
    desk *d = arg;
    for (; list; list = list->next) {
        if (list->error) snprintf(d->last_error, sizeof d->last_error, "%s", list->error);
        if (list->error)
            d->failed++;
        else
            d->committed++;
    }
}

static inline store_options options_for(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return (store_options){
        .path = path, .sweep_interval_ms = 50, .retain_ms = 4000000000000}; /* ids here begin in 1970 */
}

static inline void open_desk(desk *d, const store_options *o)
{
    *d = (desk){.committed = 0};
    CHECK(uv_loop_init(&d->loop) == 0);
    d->store = store_open(o, error, sizeof error);
    if (!d->store) printf("# %s\n", error);
    CHECK(d->store);
    d->port = store_port_open(d->store, &d->loop, on_committed, d);
    CHECK(d->port);
}

static inline void nothing(void *arg) { (void)arg; }

static inline void close_desk(desk *d)
{
    store_port_close(d->port, nothing, NULL);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&d->loop) == 0);
    store_close(d->store);
}

static inline run_id id_of(int64_t ms, uint8_t n)
{
    return run_id_make(ms, (const uint8_t[10]){n, 0, 0, 0, 0, 0, 0, 0, 0, n}, 0, 1);
}

static inline int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void wait_for(desk *d, size_t answered)
{
    while (d->committed + d->failed < answered) uv_run(&d->loop, UV_RUN_ONCE);
}

static inline void append(desk *d, store_segment *list, size_t count)
{
    size_t before = d->committed + d->failed;
    store_append(d->port, list);
    wait_for(d, before + count);
}

static inline void put(desk *d, run_id id, uint32_t seq, store_live live, int64_t due_ms, const char *data)
{
    store_segment s = {.run = id,
                       .seq = seq,
                       .live = live,
                       .has_live_row = seq > 0,
                       .due_ms = due_ms,
                       .retain_ms = -1,
                       .data = data,
                       .len = strlen(data)};
    append(d, &s, 1);
}

typedef struct found {
    bool done;
    store_journal j;
    char data[400000];
    store_live_row rows[64];
    run_id ids[64];
    size_t count;
    bool end;
} found;
static found got;

static inline void on_loaded(void *arg, store_journal *j, size_t count)
{
    (void)arg;
    CHECK_INT(count, 1);
    got.j = j[0];
    CHECK(j->len < sizeof got.data);
    if (j->len > 0) memcpy(got.data, j->data, j->len);
    got.data[j->len] = 0;
    got.done = true;
}

static inline void on_rows(void *arg, const store_live_row *rows, size_t count, bool end, const char *why)
{
    (void)arg;
    CHECK(!why && count <= 64);
    memcpy(got.rows, rows, count * sizeof *rows);
    got.count = count;
    got.end = end;
    got.done = true;
}

static inline void on_ids(void *arg, const run_id *ids, size_t count, const char *why)
{
    (void)arg;
    CHECK(!why && count <= 64);
    memcpy(got.ids, ids, count * sizeof *ids);
    got.count = count;
    got.done = true;
}

static inline void on_deleted(void *arg, const char *why)
{
    (void)arg;
    CHECK(!why);
    got.done = true;
}

static inline void wait_done(desk *d)
{
    while (!got.done) uv_run(&d->loop, UV_RUN_ONCE);
    got.done = false;
}

static inline bool load(desk *d, run_id id)
{
    CHECK(store_load(d->port, &id, 1, on_loaded, NULL));
    wait_done(d);
    CHECK(!got.j.error);
    return got.j.found;
}

static inline void end_run(desk *d, run_id id, int64_t retain_ms, bool has_live_row)
{
    if (has_live_row) put(d, id, 0, STORE_LIVE_SET, 0, "begun");
    store_segment s = {.run = id,
                       .seq = has_live_row,
                       .live = STORE_LIVE_CLEAR,
                       .has_live_row = has_live_row,
                       .retain_ms = retain_ms,
                       .data = "ended",
                       .len = 5};
    append(d, &s, 1);
}

#endif
