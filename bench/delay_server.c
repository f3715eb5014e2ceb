/* delay_server: answers each request after a fixed time; what the fan-out benches call. Raw libuv + llhttp; the waits
 * are a queue in order of time behind one timer, so that thousands at once cost little. delay_server DELAY_MS [PORT], 0
 * by default. Prints the port; ends with SIGTERM. */
#include <arpa/inet.h>
#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

typedef struct client {
    uv_tcp_t tcp;
    llhttp_t parser;
    struct client *next; /* in the queue of waits: one request of a client at a time */
    uint64_t due_ns;
    int waiting, closed;
    char bytes[4096];
} client;

static char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!";
static llhttp_settings_t settings;
static client *first, *last;
static uv_timer_t timer;
static uint64_t delay_ns;

static void must(int ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "delay_server: %s\n", what);
    exit(1);
}

static void arm(void);

static void on_due(uv_timer_t *t)
{
    (void)t;
    uint64_t now = uv_hrtime();
    while (first && first->due_ns <= now) {
        client *c = first;
        uv_buf_t b = uv_buf_init(answer, sizeof answer - 1);
        first = c->next;
        if (!first) last = NULL;
        c->waiting = 0;
        if (c->closed)
            free(c);
        else
            (void)uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
    }
    arm();
}

static void arm(void)
{
    if (!first) return;
    uint64_t now = uv_hrtime(), ms = first->due_ns > now ? (first->due_ns - now + 999999) / 1000000 : 0;
    uv_update_time(timer.loop);
    must(uv_timer_start(&timer, on_due, ms, 0) == 0, "timer");
}

static int on_message(llhttp_t *p)
{
    client *c = p->data;
    int was_empty = first == NULL;
    c->due_ns = uv_hrtime() + delay_ns;
    c->next = NULL;
    c->waiting = 1;
    if (last)
        last->next = c;
    else
        first = c;
    last = c;
    if (was_empty) arm();
    return 0;
}

static void on_closed(uv_handle_t *h)
{
    client *c = (client *)h;
    c->closed = 1;
    if (!c->waiting) free(c);
}

static void on_alloc(uv_handle_t *h, size_t wanted, uv_buf_t *b)
{
    (void)wanted;
    *b = uv_buf_init(((client *)h)->bytes, sizeof((client *)h)->bytes);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    client *c = (client *)s;
    if ((n < 0 || llhttp_execute(&c->parser, b->base, (size_t)n) != HPE_OK) && !uv_is_closing((uv_handle_t *)s))
        uv_close((uv_handle_t *)s, on_closed);
}

static void on_connection(uv_stream_t *s, int status)
{
    if (status < 0) return;
    client *c = calloc(1, sizeof *c);
    must(c && uv_tcp_init(s->loop, &c->tcp) == 0 && uv_accept(s, (uv_stream_t *)&c->tcp) == 0, "accept");
    (void)uv_tcp_nodelay(&c->tcp, 1);
    llhttp_init(&c->parser, HTTP_REQUEST, &settings);
    c->parser.data = c;
    must(uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0, "read");
}

int main(int argc, char **argv)
{
    must(argc == 2 || argc == 3, "usage: delay_server DELAY_MS [PORT]");
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t server;
    struct sockaddr_in a;
    int name_len = sizeof a;
    delay_ns = strtoull(argv[1], NULL, 10) * 1000000;
    llhttp_settings_init(&settings);
    settings.on_message_complete = on_message;
    must(uv_timer_init(loop, &timer) == 0 && uv_tcp_init(loop, &server) == 0 &&
             uv_ip4_addr("127.0.0.1", argc == 3 ? atoi(argv[2]) : 0, &a) == 0 &&
             uv_tcp_bind(&server, (struct sockaddr *)&a, 0) == 0 &&
             uv_listen((uv_stream_t *)&server, 4096, on_connection) == 0,
         "listen");
    must(uv_tcp_getsockname(&server, (struct sockaddr *)&a, &name_len) == 0, "port");
    printf("listening on http://127.0.0.1:%d\n", ntohs(a.sin_port));
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
