/* The exporter against collectors that are not as they should be: no stop waits for them, and what they say of spans is
 * counted. getaddrinfo is this program's, for libcurl too: one host's look-up ends when the test wants it to. */
#include "runtime/trace/exporter.h"

#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/harness/check.h"

/* ---- Look-ups ---- */

static atomic_int begun, ended;
static sem_t go_on;

#pragma GCC visibility push(default) /* for libcurl's calls, too */

int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict found)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (strcmp(name, "silent.test") != 0) return real(name, service, hints, found);
    atomic_fetch_add(&begun, 1);
    while (sem_wait(&go_on) != 0) {}
    atomic_fetch_add(&ended, 1);
    return EAI_AGAIN;
}

#pragma GCC visibility pop

/* ---- The exporter ---- */

static struct {
    spool *spool;
    trace_env env;
    exporter *exporter;
} its;

static void export_to(const char *url, bool is_json, size_t batch_max)
{
    static char address[128], warning[512];
    snprintf(address, sizeof address, "%s", url);
    its.spool = spool_open(NULL, 64, warning, sizeof warning);
    CHECK(its.spool);
    its.env = (trace_env){.is_on = true, .is_json = is_json, .url = address, .shown_url = address};
    its.env.timeout_ms = 60000;
    its.env.delay_ms = 1;
    its.env.queue_max = 64;
    its.env.batch_max = batch_max;
}

static void add_spans(size_t count)
{
    for (size_t i = 1; i <= count; i++) {
        span *p = spool_begin_ended(its.spool);
        CHECK(p);
        p->id = i;
        p->trace[0] = 1;
        p->kind = SPAN_INTERNAL;
        p->began_ns = p->ended_ns = span_now_ns();
        span_put_text(p, SPAN_NAME, "span");
        (void)spool_ready(its.spool, p);
    }
}

static void start(void)
{
    its.exporter = exporter_start(its.spool, &its.env);
    CHECK(its.exporter);
}

static void stop(void)
{
    exporter_stop(its.exporter, 0);
    spool_close(its.spool);
}

/* A name server that does not answer: neither the time of an export nor the end of the process waits for it. */
static void test_no_name_server(void)
{
    CHECK(sem_init(&go_on, 0, 0) == 0);
    export_to("http://silent.test:4318/v1/traces", false, 8);
    its.env.timeout_ms = 30;
    add_spans(1);
    start();
    while (exporter_figures_of(its.exporter).errors == 0) usleep(1000); /* its time is over */
    while (atomic_load(&begun) < 2) usleep(1000);                       /* the next one has begun */
    exporter_stop(its.exporter, 0);
    CHECK_INT(atomic_load(&ended), 0);
    CHECK_INT(spool_figures_of(its.spool).waiting, 1);
    spool_close(its.spool);
    for (int i = 0; i < atomic_load(&begun); i++) CHECK(sem_post(&go_on) == 0);
    while (atomic_load(&ended) < atomic_load(&begun)) usleep(1000);
}

static const check_case cases[] = {{"a name server that does not answer", test_no_name_server}};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof *cases, argc, argv); }
