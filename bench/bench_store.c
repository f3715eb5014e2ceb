/* bench_store: runs of one 200-byte segment through the store, from one loop, beside raw RocksDB with batches of the
 * same size in the same minute. "one list" has a batch under way and then the next, as the floor has; "two lists" has
 * the next waiting when a batch is done, as a busy server has. The floor's keys ascend, and so do run ids, as the
 * runtime makes them.
 *   bench_store FOLDER [SECONDS], 1 each. FOLDER must exist; what is written is left in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/rocks_floor.h"
#include "storage/store.h"

enum { LISTS_MAX = 2 };

typedef struct load {
    store_port *port;
    size_t batch;
    uint64_t number, committed, until_ns;
    size_t under_way; /* segments */
} load;

static char value[BENCH_ENTRY_BYTES];
static run_id last;

static void must(int ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "bench_store: %s\n", what);
    exit(1);
}

static void fill(load *l, store_segment *s)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    uint8_t random[10] = {0};
    uint64_t n = ++l->number;
    memcpy(random, &n, sizeof n);
    s->run = last = run_id_next(&last, (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000, random, 0, 1);
    s->live = STORE_LIVE_CLEAR;
    s->retain_ms = -1;
    s->data = value;
    s->len = sizeof value;
}

static void on_committed(void *arg, store_segment *list)
{
    load *l = arg;
    size_t n = 0;
    for (store_segment *s = list; s; s = s->next, n++) must(!s->error, s->error);
    l->committed += n;
    l->under_way -= n;
    if (bench_now_ns() >= l->until_ns) return;
    for (store_segment *s = list; s; s = s->next) fill(l, s);
    l->under_way += n;
    store_append(l->port, list);
}

static void start(load *l, store_segment *segments)
{
    for (size_t i = 0; i < l->batch; i++) {
        fill(l, &segments[i]);
        segments[i].next = i + 1 < l->batch ? &segments[i + 1] : NULL;
    }
    l->under_way += l->batch;
    store_append(l->port, segments);
}

static void nothing(void *arg) { (void)arg; }

static double measure(const char *path, size_t batch, int lists, double seconds)
{
    char error[512];
    uv_loop_t loop;
    load l = {.batch = batch};
    store *st = store_open(&(store_options){.path = path}, error, sizeof error);
    must(st != NULL, error);
    must(uv_loop_init(&loop) == 0, "no loop");
    l.port = store_port_open(st, &loop, on_committed, &l);
    store_segment *segments = calloc(batch * LISTS_MAX, sizeof *segments);
    must(l.port && segments, "out of memory");
    uint64_t began_ns = bench_now_ns();
    l.until_ns = began_ns + (uint64_t)(seconds * 1e9);
    for (int i = 0; i < lists; i++) start(&l, segments + (size_t)i * batch);
    while (l.under_way > 0) (void)uv_run(&loop, UV_RUN_ONCE);
    double rate = (double)l.committed / ((double)(bench_now_ns() - began_ns) / 1e9);
    store_port_close(l.port, nothing, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&loop) == 0, "the loop is not empty");
    store_close(st);
    free(segments);
    return rate;
}

int main(int argc, char **argv)
{
    must(argc >= 2, "usage: bench_store FOLDER [SECONDS]");
    double seconds = argc > 2 ? atof(argv[2]) : 1;
    printf("entries/s    floor   one list  ratio  two lists  ratio\n");
    for (int i = 0; i < BENCH_BATCHES; i++) {
        char path[4096];
        size_t batch = bench_batches[i];
        (void)snprintf(path, sizeof path, "%s/floor-%zu", argv[1], batch);
        double floor = rocks_floor(path, batch, seconds);
        (void)snprintf(path, sizeof path, "%s/one-%zu", argv[1], batch);
        double one = measure(path, batch, 1, seconds);
        (void)snprintf(path, sizeof path, "%s/two-%zu", argv[1], batch);
        double two = measure(path, batch, 2, seconds);
        printf("%9zu %9.0f  %9.0f  %5.2f  %9.0f  %5.2f\n", batch, floor, one, one / floor, two, two / floor);
        fflush(stdout);
    }
    return 0;
}
