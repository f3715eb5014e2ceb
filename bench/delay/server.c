/* The program: delay_server DELAY_MS [PORT] [--hosts N] [--tls FILE] [--http2 STREAMS]
 * Listens on loopback: 127.0.0.1, or the first N of 127.0.0.1, 127.0.0.2, ... with the same port; 0, the default, is
 * any that is free. Prints the port; ends with SIGTERM. FILE has a certificate and its key. With --http2 it offers
 * HTTP/2 over TLS, with as many streams. */
#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/delay/delay.h"

delay_options delay;
delay_seen seen;
static unsigned hosts = 1;
static int port;

void must(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "delay_server: %s\n", what);
    exit(1);
}

/* ---- Connections ---- */

static void on_closed(uv_handle_t *h)
{
    delay_conn *c = (delay_conn *)h;
    c->closed = true;
    conn_close(c);
}

void conn_close(delay_conn *c)
{
    if (!c->closed) {
        if (!uv_is_closing((uv_handle_t *)&c->tcp)) uv_close((uv_handle_t *)&c->tcp, on_closed);
    } else if (c->waiting == 0 && !c->dirty) {
        http2_end(c);
        tls_end(c);
        free(c);
    }
}

static void on_written(uv_write_t *w, int status)
{
    (void)status;
    free(w);
}

static void send_later(delay_conn *c, const char *bytes, size_t len)
{
    uv_write_t *w = malloc(sizeof *w + len);
    must(w != NULL, "memory");
    memcpy(w + 1, bytes, len);
    uv_buf_t b = uv_buf_init((char *)(w + 1), (unsigned)len);
    must(uv_write(w, (uv_stream_t *)&c->tcp, &b, 1, on_written) == 0, "write");
}

void conn_send(delay_conn *c, const void *bytes, size_t len)
{
    if (uv_is_closing((uv_handle_t *)&c->tcp)) return;
    if (c->ssl) {
        tls_send(c, bytes, len);
        return;
    }
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)len);
    int n = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
    if (n == UV_EAGAIN) n = 0;
    if (n >= 0 && (size_t)n < len) send_later(c, (const char *)bytes + n, len - (size_t)n);
}

static bool take(delay_conn *c, const char *bytes, size_t len)
{
    return c->h2 ? http2_take(c, bytes, len) : http1_take(c, bytes, len);
}

static void on_alloc(uv_handle_t *h, size_t wanted, uv_buf_t *b)
{
    (void)wanted;
    *b = uv_buf_init(((delay_conn *)h)->bytes, DELAY_BYTES_MAX);
}

/* The first byte of a TLS connection is 0x16: /seen is asked for without TLS, on a connection that does not count. */
static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    delay_conn *c = (delay_conn *)s;
    if (n == 0) return;
    if (n > 0 && !c->begun) {
        c->begun = true;
        if (delay.certificate && b->base[0] == 0x16) tls_accept(c);
        seen.connections += c->ssl || memcmp(b->base, "GET /seen ", n < 10 ? (size_t)n : 10) != 0;
    }
    if (n < 0 || !(c->ssl ? tls_take(c, (size_t)n, take) : take(c, b->base, (size_t)n))) conn_close(c);
}

static void on_connection(uv_stream_t *s, int status)
{
    if (status < 0) return;
    delay_conn *c = calloc(1, sizeof *c);
    must(c && uv_tcp_init(s->loop, &c->tcp) == 0 && uv_accept(s, (uv_stream_t *)&c->tcp) == 0, "accept");
    (void)uv_tcp_nodelay(&c->tcp, 1);
    http1_start(c);
    must(uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0, "read");
}

/* ---- The program ---- */

/* The first host gets a port, all others the same. */
static void listen_on(uv_loop_t *loop, uv_tcp_t *server, unsigned host)
{
    char name[24];
    struct sockaddr_in a;
    int len = sizeof a;
    (void)snprintf(name, sizeof name, "127.0.0.%u", host);
    must(uv_tcp_init(loop, server) == 0 && uv_ip4_addr(name, port, &a) == 0 &&
             uv_tcp_bind(server, (struct sockaddr *)&a, 0) == 0 &&
             uv_listen((uv_stream_t *)server, 4096, on_connection) == 0 &&
             uv_tcp_getsockname(server, (struct sockaddr *)&a, &len) == 0,
         "listen");
    port = ntohs(a.sin_port);
}

static void read_arguments(int argc, char **argv)
{
    static const char usage[] = "usage: delay_server DELAY_MS [PORT] [--hosts N] [--tls FILE] [--http2 STREAMS]";
    static const struct option known[] = {
        {"hosts", 1, NULL, 'h'}, {"tls", 1, NULL, 't'}, {"http2", 1, NULL, '2'}, {NULL, 0, NULL, 0}};
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (o == 'h') hosts = (unsigned)atoi(optarg);
        if (o == '2') delay.streams_max = (unsigned)atoi(optarg);
        if (o == 't') delay.certificate = optarg;
    }
    int left = argc - optind;
    must(left >= 1 && left <= 2 && hosts >= 1 && hosts <= DELAY_HOSTS_MAX, usage);
    must(delay.certificate || delay.streams_max == 0, "--http2 needs --tls");
    delay.delay_ns = strtoull(argv[optind], NULL, 10) * 1000000;
    if (left == 2) port = atoi(argv[optind + 1]);
}

int main(int argc, char **argv)
{
    static uv_tcp_t servers[DELAY_HOSTS_MAX];
    uv_loop_t *loop = uv_default_loop();
    read_arguments(argc, argv);
    if (delay.certificate) tls_start();
    waits_start(loop);
    for (unsigned i = 0; i < hosts; i++) listen_on(loop, &servers[i], i + 1);
    printf("listening on %s://127.0.0.1:%d\n", delay.certificate ? "https" : "http", port);
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
