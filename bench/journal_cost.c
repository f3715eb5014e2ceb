/* journal_cost: what the journal thread does for commits of one size, on the program's own thread (a store by hand), so
 * that it can be counted: script/bench --only cores runs it under callgrind. Runs of one 206-byte segment each, as a
 * request with one step makes them; prints how many processor nanoseconds each took.
 *   journal_cost FOLDER BATCH COMMITS. FOLDER must exist; what is written is left in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/store_by_hand.h"

enum { SEGMENT_BYTES = 206 };

static char value[SEGMENT_BYTES];
static run_id last;
static uint64_t number;

static void must(int ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "journal_cost: %s\n", what);
    exit(1);
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void fill(store_segment *s, store_segment *next)
{
    uint8_t random[10] = {0};
    uint64_t n = ++number;
    memcpy(random, &n, sizeof n);
    last = run_id_next(&last, (int64_t)(now_ns(CLOCK_REALTIME) / 1000000), random, 0, 1);
    *s = (store_segment){
        .next = next, .run = last, .live = STORE_LIVE_CLEAR, .retain_ms = -1, .data = value, .len = sizeof value};
}

static void on_committed(void *arg, store_segment *list)
{
    for (store_segment *s = list; s; s = s->next) {
        must(!s->error, s->error);
        ++*(size_t *)arg;
    }
}

static void nothing(void *arg) { (void)arg; }

int main(int argc, char **argv)
{
    char error[512];
    uv_loop_t loop;
    size_t committed = 0;
    must(argc == 4, "usage: journal_cost FOLDER BATCH COMMITS");
    size_t batch = strtoul(argv[2], NULL, 10), commits = strtoul(argv[3], NULL, 10);
    must(batch > 0 && commits > 0, "BATCH and COMMITS are above 0");
    store *st = store_open(&(store_options){.path = argv[1], .by_hand = true}, error, sizeof error);
    must(st != NULL, error);
    must(uv_loop_init(&loop) == 0, "no loop");
    store_port *port = store_port_open(st, &loop, on_committed, &committed);
    store_segment *segments = calloc(batch, sizeof *segments);
    must(port && segments, "out of memory");
    uint64_t spent_ns = 0;
    for (size_t n = 1; n <= commits; n++) {
        for (size_t i = 0; i < batch; i++) fill(&segments[i], i + 1 < batch ? &segments[i + 1] : NULL);
        store_append(port, segments);
        uint64_t began_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
        store_hand_write(st);
        spent_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - began_ns;
        while (committed < n * batch) (void)uv_run(&loop, UV_RUN_ONCE);
    }
    printf("batch %zu commits %zu ns_each %.1f\n", batch, commits, (double)spent_ns / (double)(batch * commits));
    store_port_close(port, nothing, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&loop) == 0, "the loop is not empty");
    store_close(st);
    free(segments);
    return 0;
}
