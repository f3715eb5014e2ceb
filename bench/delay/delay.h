/* delay: a service that answers each request after a fixed time, for the benches: HTTP/1.1 and HTTP/2, plain or over
 * TLS. It answers /seen at once, with what it has seen of its callers. A program on libuv, llhttp, nghttp2 and OpenSSL,
 * with one thread. */
#ifndef BENCH_DELAY_DELAY_H
#define BENCH_DELAY_DELAY_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum { DELAY_BYTES_MAX = 16 << 10, DELAY_HOSTS_MAX = 200 };

#define DELAY_BODY "Hello, world!"

typedef struct delay_conn delay_conn;

/* A request that waits for its time. */
typedef struct delay_wait {
    struct delay_wait *next;
    uint64_t due_ns;
    delay_conn *conn;
    int32_t stream; /* HTTP/2 */
} delay_wait;

struct delay_conn {
    uv_tcp_t tcp;
    llhttp_t parser;            /* HTTP/1.1 */
    bool asks_seen;             /* the request under way is for /seen */
    delay_wait wait;            /* HTTP/1.1: one request at a time */
    struct nghttp2_session *h2; /* owned; NULL: HTTP/1.1 */
    delay_conn *next_dirty;     /* HTTP/2: among those that have answers to send */
    bool dirty;
    struct ssl_st *ssl;       /* owned; NULL: plain */
    struct bio_st *from, *to; /* ssl's: bytes that arrived, and that are to be sent */
    size_t waiting;           /* its requests in the queue: it is freed after the last one */
    bool begun;               /* something has arrived */
    bool closed;
    char bytes[DELAY_BYTES_MAX]; /* as they arrive */
};

typedef struct delay_options {
    uint64_t delay_ns;
    const char *certificate; /* the file that has it and its key; NULL: no TLS */
    unsigned streams_max;    /* of a session; 0: HTTP/2 is not offered */
} delay_options;

typedef struct delay_seen {
    unsigned long long connections, resumed, requests; /* resumed: TLS sessions */
} delay_seen;

extern delay_options delay;
extern delay_seen seen;

void must(bool ok, const char *what);

/* delay_server.c: connections */
void conn_send(delay_conn *c, const void *bytes, size_t len); /* over TLS if it has that; copies what cannot go yet */
void conn_close(delay_conn *c);

/* delay_waits.c: the queue */
void waits_start(uv_loop_t *loop);
void waits_add(delay_wait *w); /* to be answered after the delay */

/* delay_http1.c, delay_http2.c */
void http1_start(delay_conn *c);
bool http1_take(delay_conn *c, const char *bytes, size_t len); /* false: the connection is over */
void http1_answer(delay_conn *c);
void http2_start(delay_conn *c);
bool http2_take(delay_conn *c, const char *bytes, size_t len);
void http2_answer(delay_wait *w); /* frees it; sent with the next http2_send_all */
void http2_send_all(void);
void http2_end(delay_conn *c);

/* delay_tls.c */
void tls_start(void);
void tls_accept(delay_conn *c);
bool tls_take(delay_conn *c, size_t len, bool (*take)(delay_conn *c, const char *bytes, size_t len));
void tls_send(delay_conn *c, const void *bytes, size_t len);
void tls_end(delay_conn *c);

#endif
