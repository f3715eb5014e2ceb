/* bench_client: the same calls as raw_curl's, through http_client.   bench_client URL IN_FLIGHT SECONDS */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "http/client/client.h"

typedef struct caller {
    http_call *call;
} caller;

static http_client *client;
static const char *url;
static unsigned long long done, failed;
static bool stopping;

static void must(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "bench_client: %s\n", what);
    exit(1);
}

static void on_change(void *arg);

static void call_start(caller *c)
{
    c->call = http_call_start(client, &(http_call_options){.url = url}, on_change, c);
    must(c->call != NULL, "out of memory");
}

static void on_change(void *arg)
{
    caller *c = arg;
    http_call_state state = http_call_state_of(c->call);
    if (state < HTTP_CALL_DONE) return;
    bool ok = state == HTTP_CALL_DONE && http_call_status(c->call) == 200;
    if (!ok && failed++ == 0) fprintf(stderr, "bench_client: %s\n", http_call_error_text(c->call));
    done += ok;
    http_call_close(c->call);
    c->call = NULL;
    if (!stopping) call_start(c);
}

static void on_end(uv_timer_t *t) { uv_stop(t->loop); }

static void on_client_closed(void *arg) { *(bool *)arg = true; }

int main(int argc, char **argv)
{
    must(argc == 4, "usage: bench_client URL IN_FLIGHT SECONDS");
    size_t in_flight = strtoul(argv[2], NULL, 10);
    uint64_t seconds = strtoull(argv[3], NULL, 10);
    uv_loop_t *loop = uv_default_loop();
    uv_timer_t end;
    bool closed = false;
    must(in_flight > 0 && seconds > 0, "IN_FLIGHT and SECONDS are at least 1");
    url = argv[1];
    client =
        http_client_new(loop, &(http_client_options){.connections_per_host = in_flight, .calls_max = in_flight + 1});
    caller *callers = calloc(in_flight, sizeof *callers);
    must(client && callers, "out of memory");
    for (size_t i = 0; i < in_flight; i++) call_start(&callers[i]);
    must(uv_timer_init(loop, &end) == 0 && uv_timer_start(&end, on_end, seconds * 1000, 0) == 0, "timer");
    uint64_t start_ns = uv_hrtime();
    (void)uv_run(loop, UV_RUN_DEFAULT);
    double took = (double)(uv_hrtime() - start_ns) / 1e9;
    printf("%.0f calls/s, %zu in flight, %llu failed\n", (double)done / took, in_flight, failed);
    stopping = true;
    for (size_t i = 0; i < in_flight; i++)
        if (callers[i].call) http_call_close(callers[i].call);
    http_client_stop(client, on_client_closed, &closed);
    uv_close((uv_handle_t *)&end, NULL);
    while (!closed) (void)uv_run(loop, UV_RUN_ONCE);
    free(callers);
    return failed > 0 || done == 0;
}
