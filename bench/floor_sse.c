/* floor_sse: the least a server of event streams on libuv can do: one loop, one timer a stream, frames written as they
 * are made; nothing is kept, no client can come again. What Stepwell's streams are compared with: the frames are those
 * of the service's /tokens.   floor_sse PERIOD_MS */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { BYTES = 1024 };

static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
static uint64_t period_ns;

typedef struct client {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uint64_t due_ns; /* of the next frame; 0: the request has not come */
    unsigned frames;
    int handles;
    char bytes[BYTES];
} client;

static void check(int result, const char *what)
{
    if (result >= 0) return;
    fprintf(stderr, "floor_sse: %s: %s\n", what, uv_strerror(result));
    exit(1);
}

static void on_closed(uv_handle_t *handle)
{
    client *c = handle->data;
    if (--c->handles == 0) free(c);
}

static void client_close(client *c)
{
    if (uv_is_closing((uv_handle_t *)&c->tcp)) return;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

static void client_write(client *c, const char *data, size_t len)
{
    uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)data, (unsigned)len);
    if (uv_try_write((uv_stream_t *)&c->tcp, &buffer, 1) != (int)len) client_close(c);
}

static void on_timer(uv_timer_t *timer)
{
    client *c = timer->data;
    char frame[512], text[540];
    int n = snprintf(frame, sizeof frame,
                     "id: %u\nevent: inngest.stream\ndata: {\"data\":\"due=%llu and some words that a model "
                     "says\",\"hashedStepId\":\"92db09b7ae2f7abcb5ae9e2b5f0f32ea5b96fa0f\"}\n\n",
                     ++c->frames, (unsigned long long)(c->due_ns / 1000));
    int all = snprintf(text, sizeof text, "%x\r\n%.*s\r\n", (unsigned)n, n, frame);
    client_write(c, text, (size_t)all);
    if (uv_is_closing((uv_handle_t *)timer)) return;
    c->due_ns += period_ns;
    uint64_t now_ms = uv_now(timer->loop), due_ms = (c->due_ns + 999999) / 1000000; /* the same clock */
    check(uv_timer_start(timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0), "timer");
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    client *c = handle->data;
    (void)wanted;
    *buffer = uv_buf_init(c->bytes, sizeof(c->bytes));
}

/* Whatever is asked for, in however many parts, is a stream. */
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    client *c = stream->data;
    (void)buffer;
    if (n < 0) client_close(c);
    if (n <= 0 || c->due_ns > 0) return;
    c->due_ns = uv_hrtime();
    client_write(c, head, sizeof head - 1);
    if (!uv_is_closing((uv_handle_t *)stream)) on_timer(&c->timer);
}

static void on_connection(uv_stream_t *listener, int status)
{
    check(status, "connection");
    client *c = calloc(1, sizeof(*c));
    if (!c) abort();
    c->handles = 2;
    check(uv_tcp_init(listener->loop, &c->tcp), "tcp_init");
    check(uv_timer_init(listener->loop, &c->timer), "timer_init");
    c->tcp.data = c->timer.data = c;
    check(uv_accept(listener, (uv_stream_t *)&c->tcp), "accept");
    check(uv_tcp_nodelay(&c->tcp, 1), "nodelay");
    check(uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read), "read_start");
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    struct sockaddr_in address;
    int len = sizeof(address);
    period_ns = argc == 2 ? strtoull(argv[1], NULL, 10) * 1000000 : 0;
    if (period_ns == 0) {
        fprintf(stderr, "usage: floor_sse PERIOD_MS\n");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    check(uv_ip4_addr("127.0.0.1", 0, &address), "address");
    check(uv_tcp_init(loop, &listener), "tcp_init");
    check(uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0), "bind");
    check(uv_listen((uv_stream_t *)&listener, 1024, on_connection), "listen");
    check(uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &len), "getsockname");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
