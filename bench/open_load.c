/* open_load: requests at a fixed rate, whatever the server does (wrk waits for answers and so adapts to it): what the
 * others feel while something heavy runs, and how a server takes more than it can do. A latency counts from the moment
 * its request was due, also when no connection was free then.   open_load URL RATE SECONDS CONNECTIONS
 * Prints "sent N ok N refused N unsaid N other N p50_ms X p99_ms X max_ms X": refused are 503, unsaid those of them
 * without Retry-After; latencies are those of the ok ones. */
#include <arpa/inet.h>
#include <llhttp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { WINDOW_MS = 100 };

typedef struct conn {
    uv_tcp_t tcp;
    uv_connect_t connecting;
    llhttp_t parser;
    struct conn *next; /* among the free ones */
    uint64_t due_ns;   /* of its request */
    uint64_t sent_ns;
    bool busy, said; /* said: it has the header Retry-After */
    char bytes[4096];
} conn;

static uv_loop_t *loop;
static llhttp_settings_t settings;
static struct sockaddr_in address;
static char request[1024];
static size_t request_len;
static conn *free_conns;
static size_t opened, conns_max;
static double rate, seconds;
static uint64_t began_ns, sent, answered, ok, refused, unsaid, other;
static float *latencies; /* ms, from when it was due */
static float *windows;   /* the longest latency of each */
static float *waits;     /* the same from when it was sent: without the time that no connection was free */

static void must(bool good, const char *what)
{
    if (good) return;
    fprintf(stderr, "open_load: %s\n", what);
    exit(1);
}

static uint64_t due_of(uint64_t number) { return began_ns + (uint64_t)((double)number / rate * 1e9); }

static void send_next(conn *c)
{
    uv_buf_t b = uv_buf_init(request, (unsigned)request_len);
    c->due_ns = due_of(sent++);
    c->sent_ns = uv_hrtime();
    c->busy = true;
    c->said = false;
    must(uv_try_write((uv_stream_t *)&c->tcp, &b, 1) == (int)request_len, "a request was not taken");
}

static bool is_due(void) { return (double)sent < rate * seconds && uv_hrtime() >= due_of(sent); }

static void conn_free(conn *c)
{
    c->busy = false;
    if (is_due()) {
        send_next(c);
        return;
    }
    c->next = free_conns;
    free_conns = c;
}

static int on_field(llhttp_t *p, const char *at, size_t len)
{
    conn *c = p->data;
    c->said |= len == 11 && strncasecmp(at, "Retry-After", len) == 0;
    return 0;
}

static float *window_of(uint64_t due_ns) { return &windows[(due_ns - began_ns) / 1000000 / WINDOW_MS]; }

static int on_message(llhttp_t *p)
{
    conn *c = p->data;
    must(c->busy, "an answer without a request");
    answered++;
    if (p->status_code == 200) {
        uint64_t now = uv_hrtime();
        waits[ok] = (float)((double)(now - c->sent_ns) / 1e6);
        float latency = (float)((double)(now - c->due_ns) / 1e6), *window = window_of(c->due_ns);
        if (latency > *window) *window = latency;
        latencies[ok++] = latency;
    } else if (p->status_code == 503) {
        refused++;
        unsaid += !c->said;
    } else {
        other++;
    }
    conn_free(c);
    return 0;
}

static void on_alloc(uv_handle_t *h, size_t wanted, uv_buf_t *b)
{
    (void)wanted;
    *b = uv_buf_init(((conn *)h->data)->bytes, sizeof((conn *)h->data)->bytes);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    conn *c = s->data;
    must(n >= 0, "the server closed a connection");
    must(llhttp_execute(&c->parser, b->base, (size_t)n) == HPE_OK, "no HTTP");
}

static void on_connected(uv_connect_t *r, int status)
{
    conn *c = r->data;
    must(status == 0, "cannot connect");
    llhttp_init(&c->parser, HTTP_RESPONSE, &settings);
    c->parser.data = c;
    must(uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0, "read");
    conn_free(c);
}

static void open_conn(void)
{
    conn *c = calloc(1, sizeof *c);
    must(c && uv_tcp_init(loop, &c->tcp) == 0, "out of memory");
    (void)uv_tcp_nodelay(&c->tcp, 1);
    c->tcp.data = c->connecting.data = c;
    opened++;
    must(uv_tcp_connect(&c->connecting, &c->tcp, (struct sockaddr *)&address, on_connected) == 0, "connect");
}

static void on_tick(uv_timer_t *t)
{
    while (free_conns && is_due()) {
        conn *c = free_conns;
        free_conns = c->next;
        send_next(c);
    }
    for (int n = 0; n < 16 && opened < conns_max && is_due(); n++) open_conn();
    double over_s = (double)(uv_hrtime() - began_ns) / 1e9 - seconds;
    if ((over_s > 0 && answered == sent) || over_s > 30) uv_stop(t->loop);
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void windows_write(const char *path)
{
    FILE *f = fopen(path, "w");
    must(f != NULL, path);
    for (size_t i = 0; (double)i * WINDOW_MS < seconds * 1000; i++) fprintf(f, "%.3f\n", (double)windows[i]);
    must(fclose(f) == 0, path);
}

static void latencies_print(void)
{
    qsort(latencies, ok, sizeof *latencies, by_size);
    qsort(waits, ok, sizeof *waits, by_size);
    float none = 0, *l = ok ? latencies : &none, *w = ok ? waits : &none;
    uint64_t last = ok ? ok - 1 : 0;
    printf("sent %llu ok %llu refused %llu unsaid %llu other %llu ", (unsigned long long)sent, (unsigned long long)ok,
           (unsigned long long)refused, (unsigned long long)unsaid, (unsigned long long)(other + sent - answered));
    printf("p50_ms %.3f p99_ms %.3f p999_ms %.3f p9999_ms %.3f max_ms %.3f answer_p99_ms %.3f\n", (double)l[last / 2],
           (double)l[last * 99 / 100], (double)l[last * 999 / 1000], (double)l[last * 9999 / 10000], (double)l[last],
           (double)w[last * 99 / 100]);
}

static void parse_url(const char *url)
{
    char host[64], path[512] = "";
    int port = 0;
    must(sscanf(url, "http://%63[0-9.]:%d%511s", host, &port, path) >= 2, "the URL is http://ADDRESS:PORT/PATH");
    must(uv_ip4_addr(host, port, &address) == 0, "address");
    request_len = (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%d\r\n\r\n",
                                   path[0] ? path : "/", host, port);
}

int main(int argc, char **argv)
{
    uv_timer_t tick;
    must(argc == 5 || argc == 6, "usage: open_load URL RATE SECONDS CONNECTIONS [WINDOWS]");
    parse_url(argv[1]);
    rate = atof(argv[2]);
    seconds = atof(argv[3]);
    conns_max = strtoul(argv[4], NULL, 10);
    must(rate > 0 && seconds > 0 && conns_max > 0, "RATE, SECONDS and CONNECTIONS are above 0");
    latencies = calloc((size_t)(rate * seconds) + 16, sizeof *latencies);
    waits = calloc((size_t)(rate * seconds) + 16, sizeof *waits);
    windows = calloc((size_t)(seconds * 1000) / WINDOW_MS + 2, sizeof *windows);
    must(latencies != NULL && waits != NULL && windows != NULL, "out of memory");
    (void)signal(SIGPIPE, SIG_IGN);
    llhttp_settings_init(&settings);
    settings.on_header_field = on_field;
    settings.on_message_complete = on_message;
    loop = uv_default_loop();
    began_ns = uv_hrtime();
    must(uv_timer_init(loop, &tick) == 0 && uv_timer_start(&tick, on_tick, 1, 1) == 0, "timer");
    (void)uv_run(loop, UV_RUN_DEFAULT);
    latencies_print();
    if (argc == 6) windows_write(argv[5]);
    return ok == 0;
}
