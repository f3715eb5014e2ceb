/* floor_hello: the least an HTTP server on libuv and llhttp can do: one loop, no limits, no timeouts, one fixed answer.
 * The figure that http_hello and the plain routes of Stepwell are compared with.   floor_hello [PORT], 0 by default. */
#include <arpa/inet.h>
#include <llhttp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!";

typedef struct client {
    uv_tcp_t tcp;
    llhttp_t parser;
    char bytes[4096];
} client;

static llhttp_settings_t settings;

static void check(int result, const char *what)
{
    if (result >= 0) return;
    fprintf(stderr, "floor_hello: %s: %s\n", what, uv_strerror(result));
    exit(1);
}

static void on_closed(uv_handle_t *handle) { free(handle->data); }

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    client *c = handle->data;
    (void)wanted;
    *buffer = uv_buf_init(c->bytes, sizeof(c->bytes));
}

static int on_complete(llhttp_t *parser)
{
    client *c = parser->data;
    uv_buf_t buffer = uv_buf_init(answer, sizeof(answer) - 1);
    return uv_try_write((uv_stream_t *)&c->tcp, &buffer, 1) == (int)buffer.len ? 0 : -1;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    client *c = stream->data;
    if (n == 0) return;
    if (n < 0 || llhttp_execute(&c->parser, buffer->base, (size_t)n) != HPE_OK)
        uv_close((uv_handle_t *)stream, on_closed);
}

static void on_connection(uv_stream_t *listener, int status)
{
    check(status, "connection");
    client *c = calloc(1, sizeof(*c));
    if (!c) abort();
    check(uv_tcp_init(listener->loop, &c->tcp), "tcp_init");
    c->tcp.data = c->parser.data = c;
    check(uv_accept(listener, (uv_stream_t *)&c->tcp), "accept");
    check(uv_tcp_nodelay(&c->tcp, 1), "nodelay");
    llhttp_init(&c->parser, HTTP_REQUEST, &settings);
    c->parser.data = c;
    check(uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read), "read_start");
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    struct sockaddr_in address;
    int len = sizeof(address);
    signal(SIGPIPE, SIG_IGN);
    llhttp_settings_init(&settings);
    settings.on_message_complete = on_complete;
    check(uv_ip4_addr("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0, &address), "address");
    check(uv_tcp_init(loop, &listener), "tcp_init");
    check(uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0), "bind");
    check(uv_listen((uv_stream_t *)&listener, 1024, on_connection), "listen");
    check(uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &len), "getsockname");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
