/* The exporter against collectors that are not as they should be: no stop waits for them, and what they say of spans is
 * counted. getaddrinfo is this program's, for libcurl too: one host's look-up ends when the test wants it to. */
#include "runtime/trace/exporter.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/harness/check.h"

/* ---- Look-ups ---- */

static atomic_int begun, ended;
static sem_t go_on;

#pragma GCC visibility push(default) /* for libcurl's calls, too */

int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (strcmp(name, "silent.test") != 0) return real(name, service, hints, found);
    atomic_fetch_add(&begun, 1);
    while (sem_wait(&go_on) != 0) {}
    atomic_fetch_add(&ended, 1);
    return EAI_AGAIN;
}

#pragma GCC visibility pop

/* ---- A collector ---- */

typedef struct reply {
    const char *head; /* status and headers, each with its line end */
    const char *body;
    size_t len;
} reply;

enum { REPLIES_MAX = 8, REQUEST_BYTES = 65536 };

static struct {
    int fd, port;
    pthread_t thread;
    const reply *replies; /* in order; the last one again and again */
    size_t count;
    _Atomic size_t answered;
    _Atomic int64_t came_ms[REPLIES_MAX];
} collector;

/* Reads a request with its body. False: the connection has ended. */
static bool read_request(int fd)
{
    static char bytes[REQUEST_BYTES];
    size_t len = 0, wanted = SIZE_MAX;
    while (len < wanted) {
        ssize_t n = recv(fd, bytes + len, sizeof bytes - 1 - len, 0);
        if (n <= 0) return false;
        len += (size_t)n;
        bytes[len] = 0;
        const char *end = strstr(bytes, "\r\n\r\n"), *length = strstr(bytes, "Content-Length: ");
        if (end && length) wanted = (size_t)(end + 4 - bytes) + strtoul(length + 16, NULL, 10);
    }
    return true;
}

static void answer(int fd)
{
    char head[512];
    size_t at = atomic_load(&collector.answered);
    if (at < REPLIES_MAX) collector.came_ms[at] = clock_steady_ms();
    const reply *r = &collector.replies[at < collector.count ? at : collector.count - 1];
    int len = snprintf(head, sizeof head, "HTTP/1.1 %sContent-Length: %zu\r\n\r\n", r->head, r->len);
    CHECK(send(fd, head, (size_t)len, MSG_NOSIGNAL) == len);
    CHECK(r->len == 0 || send(fd, r->body, r->len, MSG_NOSIGNAL) == (ssize_t)r->len);
    atomic_fetch_add(&collector.answered, 1);
}

static void *collect(void *arg)
{
    (void)arg;
    for (int fd; (fd = accept(collector.fd, NULL, NULL)) >= 0; close(fd))
        while (read_request(fd)) answer(fd);
    return NULL;
}

static void collector_begin(const reply *replies, size_t count)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    collector.replies = replies;
    collector.count = count;
    atomic_store(&collector.answered, 0);
    collector.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(collector.fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(collector.fd, 8) == 0);
    CHECK(getsockname(collector.fd, (struct sockaddr *)&at, &len) == 0);
    collector.port = ntohs(at.sin_port);
    CHECK(pthread_create(&collector.thread, NULL, collect, NULL) == 0);
}

static void collector_end(void)
{
    (void)shutdown(collector.fd, SHUT_RDWR);
    CHECK(pthread_join(collector.thread, NULL) == 0);
    close(collector.fd);
}

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

static void export_to_collector(bool is_json, size_t batch_max)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1/traces", collector.port);
    export_to(url, is_json, batch_max);
}

/* "Retry-After: 0", or a date that has passed: the tries do not follow each other at once. */
static void test_asked_for_no_pause(void)
{
    static const reply replies[] = {{"429 Too Many\r\nRetry-After: 0\r\n", "", 0},
                                    {"503 Later\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n", "", 0},
                                    {"200 OK\r\n", "", 0}};
    collector_begin(replies, 3);
    export_to_collector(false, 8);
    add_spans(3);
    start();
    while (exporter_figures_of(its.exporter).exported == 0) usleep(1000);
    CHECK_INT(exporter_figures_of(its.exporter).errors, 2);
    CHECK_INT(exporter_figures_of(its.exporter).exported, 3);
    CHECK(collector.came_ms[1] - collector.came_ms[0] >= 500);
    CHECK(collector.came_ms[2] - collector.came_ms[1] >= 1000);
    stop();
    collector_end();
}

typedef struct partial_case {
    const char *body;
    size_t len;
    unsigned spans, refused;
    bool is_json;
} partial_case;

#define PROTO(text) text, sizeof text - 1
#define JSON(text)  text, sizeof text - 1

/* A collector takes a batch, and says that it has refused all or some of its spans. */
static void test_partial(void)
{
    static char long_text[3000];
    memset(long_text, 'x', sizeof long_text);
    memcpy(long_text, "\x0a\xb6\x17\x08\x02\x12\xb1\x17", 8); /* 2 refused, for 2,993 bytes of reasons */
    const partial_case all[] = {
        {PROTO(""), 5, 0, false},
        {PROTO("\x0a\x00"), 5, 0, false},
        {PROTO("\x0a\x02\x08\x03"), 5, 3, false},
        {PROTO("\x0a\x09\x08\x05\x12\x05quota"), 5, 5, false},
        {PROTO("\x0a\x09\x12\x05quota\x08\x04"), 5, 4, false},
        {PROTO("\x0a\x07\x12\x05quota"), 5, 0, false}, /* a warning */
        {PROTO("\x0a\x03\x08\xac\x02"), 5, 5, false},  /* more than there were */
        {PROTO("\x12\x02\x08\x03\x0a\x05\x19rejected"), 5, 0, false},
        {PROTO("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 5, 0, false}, /* -1 */
        {PROTO("\x0a\x02\x08\xff"), 5, 0, false},
        {long_text, sizeof long_text, 5, 2, false},
        {JSON("{}"), 5, 0, true},
        {JSON("{\"partialSuccess\":{}}"), 5, 0, true},
        {JSON("{\"partialSuccess\":{\"rejectedSpans\":\"2\",\"errorMessage\":\"quota\"}}"), 5, 2, true},
        {JSON("{\"partialSuccess\":{\"rejectedSpans\":4}}"), 5, 4, true},
        {JSON("{\"partialSuccess\":{\"rejectedSpans\":-4,\"errorMessage\":7}}"), 5, 0, true},
        {JSON("[1]"), 5, 0, true},
        {JSON("ok"), 5, 0, true},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const reply taken = {"200 OK\r\n", all[i].body, all[i].len};
        collector_begin(&taken, 1);
        export_to_collector(all[i].is_json, 8);
        add_spans(all[i].spans);
        start();
        while (spool_figures_of(its.spool).waiting > 0) usleep(1000);
        const exporter_figures f = exporter_figures_of(its.exporter);
        CHECK_INT(f.refused, all[i].refused);
        CHECK_INT(f.exported, all[i].spans - all[i].refused);
        CHECK_INT(f.errors, 0);
        stop();
        collector_end();
    }
}

static const check_case cases[] = {{"a name server that does not answer", test_no_name_server},
                                   {"a collector that asks for no pause", test_asked_for_no_pause},
                                   {"a collector that refuses a part", test_partial}};

CHECK_MAIN(cases)
