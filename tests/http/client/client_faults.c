/* The HTTP client where time and order matter: peers that pause, calls that wait, what callbacks may do, what errors
 * say. The peer speaks in parts, each when the test says so. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http/client/client.h"
#include "tests/harness/check.h"

enum { PARTS_MAX = 4 };

typedef struct peer {
    int fd, port;
    pthread_t thread;
    const char *parts[PARTS_MAX]; /* of each answer; after the first, each waits for `more` */
    size_t part_count;
    sem_t more;
    atomic_bool ends_with_close;
    char heard[1 << 16]; /* first lines of all requests; read after peer_stop */
    size_t heard_len;
    atomic_int accepted;
} peer;

static uv_loop_t loop;
static http_client *client;
static char url[256];

/* ---- The peer ---- */

static bool read_request(peer *p, int fd)
{
    char head[4096];
    size_t len = 0;
    for (head[0] = 0; !strstr(head, "\r\n\r\n");) {
        ssize_t n = len + 1 < sizeof head ? read(fd, head + len, sizeof head - 1 - len) : 0;
        if (n <= 0) return false;
        len += (size_t)n;
        head[len] = 0;
    }
    size_t line = strcspn(head, "\r");
    CHECK(p->heard_len + line + 2 < sizeof p->heard);
    memcpy(p->heard + p->heard_len, head, line);
    p->heard_len += line;
    p->heard[p->heard_len++] = ';';
    return true;
}

static void *peer_main(void *arg)
{
    peer *p = arg;
    for (int fd; (fd = accept(p->fd, NULL, NULL)) >= 0; (void)close(fd)) {
        atomic_fetch_add(&p->accepted, 1);
        while (read_request(p, fd)) {
            for (size_t i = 0; i < p->part_count; i++) {
                if (i > 0) CHECK(sem_wait(&p->more) == 0);
                if (send(fd, p->parts[i], strlen(p->parts[i]), MSG_NOSIGNAL) < 0) break;
            }
            if (p->ends_with_close) break;
        }
    }
    return NULL;
}

static int listen_somewhere(int backlog, int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, backlog) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void peer_start(peer *p, const char *first, const char *second)
{
    memset(p, 0, sizeof *p);
    p->parts[0] = first;
    p->parts[1] = second;
    p->part_count = second ? 2 : 1;
    p->fd = listen_somewhere(64, &p->port);
    CHECK(sem_init(&p->more, 0, 0) == 0);
    CHECK(pthread_create(&p->thread, NULL, peer_main, p) == 0);
}

/* After the client's end, which closes the connections. */
static void peer_stop(peer *p)
{
    CHECK(shutdown(p->fd, SHUT_RDWR) == 0);
    CHECK(pthread_join(p->thread, NULL) == 0);
    CHECK(sem_destroy(&p->more) == 0);
    (void)close(p->fd);
}

static const char *at(int port, const char *path)
{
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", port, path);
    return url;
}

/* ---- The client ---- */

static void begin(const http_client_options *options)
{
    CHECK(uv_loop_init(&loop) == 0);
    client = http_client_new(&loop, options);
    CHECK(client);
}

static void on_client_closed(void *arg) { *(bool *)arg = true; }

static void end(void)
{
    bool closed = false;
    CHECK_INT(http_client_active(client), 0);
    http_client_stop(client, on_client_closed, &closed);
    while (!closed) uv_run(&loop, UV_RUN_ONCE);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
}

static void count_change(void *arg) { ++*(int *)arg; }

static http_call *start(const http_call_options *o, int *changes)
{
    *changes = 0;
    http_call *call = http_call_start(client, o, count_change, changes);
    CHECK(call);
    return call;
}

static void wait_for(http_call *call, http_call_state state)
{
    while (http_call_state_of(call) < state) uv_run(&loop, UV_RUN_ONCE);
}

static void on_time(uv_timer_t *t) { *(bool *)t->data = true; }

static void let_pass(uint64_t ms)
{
    bool over = false;
    uv_timer_t t = {.data = &over};
    CHECK(uv_timer_init(&loop, &t) == 0 && uv_timer_start(&t, on_time, ms, 0) == 0);
    while (!over) uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&t, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
}

static void finish(http_call *call, http_call_error_kind kind)
{
    wait_for(call, HTTP_CALL_DONE);
    if (http_call_error(call) != kind) printf("# %s\n", http_call_error_text(call));
    CHECK_INT(http_call_error(call), kind);
    CHECK_INT(http_call_state_of(call), kind == HTTP_CALL_OK ? HTTP_CALL_DONE : HTTP_CALL_FAILED);
    http_call_close(call);
    http_client_flush(client);
}

/* ---- Data ---- */

/* Who needs more than has arrived leaves it lying and waits: it must be shown with what comes. */
static void test_untaken(void)
{
    peer p;
    int changes;
    size_t len;
    char rest[2001], whole[2004] = "abc"; /* more than the first buffer has room for */
    memset(rest, 'd', sizeof rest - 1);
    rest[sizeof rest - 1] = 0;
    memcpy(whole + 3, rest, sizeof rest);
    for (int streaming = 0; streaming < 2; streaming++) {
        peer_start(&p, "HTTP/1.1 200 OK\r\nContent-Length: 2003\r\n\r\nabc", rest);
        begin(&(http_client_options){.calls_max = 0});
        http_call *call = start(&(http_call_options){.url = at(p.port, "/"), .streaming = streaming}, &changes);
        do {
            uv_run(&loop, UV_RUN_ONCE);
            (void)http_call_data(call, &len);
        } while (len < 3);
        const char *held = http_call_data(call, &len);
        CHECK_STR(held, "abc");
        CHECK_INT(http_call_state_of(call), HTTP_CALL_HEAD);
        CHECK(sem_post(&p.more) == 0);
        wait_for(call, HTTP_CALL_DONE);
        CHECK_STR(held, "abc"); /* readers hold it while more comes */
        CHECK_STR(http_call_data(call, &len), whole);
        CHECK_INT(len, 2003);
        http_call_consume(call, 2);
        CHECK_STR(http_call_data(call, &len), whole + 2);
        http_call_consume(call, 2001);
        CHECK_STR(http_call_data(call, &len), "");
        finish(call, HTTP_CALL_OK);
        end();
        peer_stop(&p);
    }
}

static void test_interim(void)
{
    peer p;
    int changes;
    peer_start(&p, "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n",
               "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nX-Late: 2\r\nContent-Length: 0\r\n\r\n");
    begin(&(http_client_options){.calls_max = 0});
    http_call *call = start(&(http_call_options){.url = at(p.port, "/")}, &changes);
    for (int i = 0; i < 100; i++) uv_run(&loop, UV_RUN_NOWAIT);
    CHECK_INT(http_call_state_of(call), HTTP_CALL_RUNNING);
    CHECK(!http_call_headers(call)[0]);
    CHECK(sem_post(&p.more) == 0);
    wait_for(call, HTTP_CALL_DONE);
    CHECK_INT(http_call_status(call), 200);
    CHECK_STR(http_call_headers(call)[0], "X-Late: 2");
    CHECK_STR(http_call_headers(call)[1], "Content-Length: 0");
    CHECK(!http_call_headers(call)[2]);
    finish(call, HTTP_CALL_OK);
    end();
    peer_stop(&p);
}

/* ---- Time ---- */

static void test_idle_after_waiting(void)
{
    peer p;
    int changes[2];
    peer_start(&p, "", NULL);
    begin(&(http_client_options){.connections_per_host = 1});
    http_call *first = start(&(http_call_options){.url = at(p.port, "/"), .silence_ms = 60}, &changes[0]);
    http_call *second = start(&(http_call_options){.url = at(p.port, "/"), .silence_ms = 60}, &changes[1]);
    finish(first, HTTP_CALL_TIMEOUT);
    finish(second, HTTP_CALL_TIMEOUT);
    end();
    peer_stop(&p);
}

/* A silence that is our own, because the data is not taken, is no reason to give up. */
static void test_idle_while_paused(void)
{
    enum { SIZE = 8 << 20 };
    peer p;
    int changes;
    size_t len, seen = 0;
    char *text = malloc(SIZE + 100);
    CHECK(text);
    int head = sprintf(text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", SIZE);
    memset(text + head, 'x', SIZE);
    text[head + SIZE] = 0;
    peer_start(&p, text, NULL);
    begin(&(http_client_options){.calls_max = 0});
    http_call *call =
        start(&(http_call_options){.url = at(p.port, "/"), .streaming = true, .silence_ms = 5000}, &changes);
    (void)http_call_data(call, &len);
    while (len < (256 << 10)) {
        uv_run(&loop, UV_RUN_ONCE);
        (void)http_call_data(call, &len);
    }
    http_call_close(call);
    call = start(&(http_call_options){.url = at(p.port, "/"), .streaming = true, .silence_ms = 250}, &changes);
    wait_for(call, HTTP_CALL_HEAD);
    let_pass(700);
    CHECK_INT(http_call_state_of(call), HTTP_CALL_HEAD);
    while (seen < SIZE) {
        (void)http_call_data(call, &len);
        CHECK(len <= (256 << 10) + (64 << 10));
        seen += len;
        http_call_consume(call, len);
        CHECK(http_call_state_of(call) != HTTP_CALL_FAILED);
        if (len == 0) uv_run(&loop, UV_RUN_ONCE);
    }
    finish(call, HTTP_CALL_OK);
    end();
    peer_stop(&p);
    free(text);
}

/* A listener whose queue is full lets further connections wait. */
static void test_connect_timeout(void)
{
    int port, changes, fillers[8], listener = listen_somewhere(0, &port);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    for (int i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        CHECK(fillers[i] >= 0);
        (void)connect(fillers[i], (struct sockaddr *)&a, sizeof a);
    }
    begin(&(http_client_options){.connect_timeout_ms = 150});
    finish(start(&(http_call_options){.url = at(port, "/")}, &changes), HTTP_CALL_TIMEOUT);
    http_call *closed = start(&(http_call_options){.url = at(port, "/")}, &changes); /* closed while it connects */
    for (int i = 0; i < 5; i++) uv_run(&loop, UV_RUN_NOWAIT);
    http_call_close(closed);
    http_client_flush(client);
    CHECK_INT(changes, 0);
    end();
    for (int i = 0; i < 8; i++) (void)close(fillers[i]);
    (void)close(listener);
}

/* ---- Order and callbacks ---- */

static void test_order(void)
{
    enum { CALLS = 30 };
    peer p;
    int changes[CALLS];
    http_call *calls[CALLS];
    char expected[CALLS * 32] = "", path[16];
    peer_start(&p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL);
    begin(&(http_client_options){.connections_per_host = 1});
    for (int i = 0; i < CALLS; i++) {
        snprintf(path, sizeof path, "/%d", i);
        sprintf(expected + strlen(expected), "GET /%d HTTP/1.1;", i);
        calls[i] = start(&(http_call_options){.url = at(p.port, path)}, &changes[i]);
    }
    for (int i = 0; i < CALLS; i++) finish(calls[i], HTTP_CALL_OK);
    end();
    CHECK_INT(p.accepted, 1);
    peer_stop(&p);
    p.heard[p.heard_len] = 0;
    CHECK_STR(p.heard, expected);
}

typedef struct pair {
    http_call *one, *two;
    const char *url;
    int calls, left;
} pair;

static void close_both(void *arg)
{
    pair *both = arg;
    both->calls++;
    http_call_close(both->one);
    http_call_close(both->two);
}

static void start_another(void *arg)
{
    pair *chain = arg;
    if (http_call_state_of(chain->one) < HTTP_CALL_DONE) return;
    CHECK_INT(http_call_state_of(chain->one), HTTP_CALL_DONE);
    http_call_close(chain->one);
    chain->calls++;
    if (--chain->left == 0) return;
    chain->one = http_call_start(client, &(http_call_options){.url = chain->url}, start_another, chain);
    CHECK(chain->one);
}

static void test_callbacks(void)
{
    peer p;
    pair both = {.calls = 0}, chain = {.left = 20};
    peer_start(&p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL);
    begin(&(http_client_options){.connections_per_host = 1});
    /* Both fail in the same round: each has news to tell when the first closes both. */
    both.one = http_call_start(client, &(http_call_options){.url = "nonsense"}, close_both, &both);
    both.two = http_call_start(client, &(http_call_options){.url = "nonsense"}, close_both, &both);
    CHECK(both.one && both.two);
    for (int i = 0; i < 3; i++) http_client_flush(client);
    CHECK_INT(both.calls, 1);
    both.one = http_call_start(client, &(http_call_options){.url = at(p.port, "/")}, close_both, &both);
    both.two = http_call_start(client, &(http_call_options){.url = at(p.port, "/")}, close_both, &both);
    while (both.calls < 2) uv_run(&loop, UV_RUN_ONCE);
    http_client_flush(client);
    CHECK_INT(http_client_active(client), 0);
    chain.url = url;
    chain.one = http_call_start(client, &(http_call_options){.url = chain.url}, start_another, &chain);
    while (chain.left > 0) uv_run(&loop, UV_RUN_ONCE);
    CHECK_INT(chain.calls, 20);
    http_client_flush(client);
    end();
    peer_stop(&p);
}

/* ---- What errors say ---- */

static void test_texts(void)
{
    char expected[128], secret[128];
    int port, changes, fd = listen_somewhere(1, &port);
    peer p;
    (void)close(fd); /* now nobody listens there */
    begin(&(http_client_options){.calls_max = 0});
    http_call *call = start(&(http_call_options){.url = at(port, "/x?key=1")}, &changes);
    wait_for(call, HTTP_CALL_DONE);
    snprintf(expected, sizeof expected, "connect to 127.0.0.1:%d: refused", port);
    CHECK_STR(http_call_error_text(call), expected);
    finish(call, HTTP_CALL_CONNECT);
    peer_start(&p, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", NULL);
    p.ends_with_close = true;
    fd = listen_somewhere(8, &port); /* never accepts, never answers */
    for (int silent = 0; silent < 2; silent++) {
        int to = silent ? port : p.port;
        snprintf(secret, sizeof secret, "http://user:secret@127.0.0.1:%d/path?key=secret#secret", to);
        call = start(&(http_call_options){.url = secret, .silence_ms = silent ? 60 : 0}, &changes);
        wait_for(call, HTTP_CALL_DONE);
        CHECK(!strstr(http_call_error_text(call), "secret"));
        snprintf(expected, sizeof expected, "GET http://127.0.0.1:%d/path: ", to);
        CHECK(strncmp(http_call_error_text(call), expected, strlen(expected)) == 0);
        finish(call, silent ? HTTP_CALL_TIMEOUT : HTTP_CALL_BROKEN);
    }
    call = start(&(http_call_options){.url = at(p.port, "/"), .method = "HEAD", .body = "x", .body_len = 1}, &changes);
    finish(call, HTTP_CALL_BAD_HEADER);
    end();
    (void)close(fd);
    peer_stop(&p);
}

static const check_case cases[] = {{"what is not taken is shown with what follows", test_untaken},
                                   {"interim responses", test_interim},
                                   {"a call that waited keeps its idle timeout", test_idle_after_waiting},
                                   {"a pause of our own is no silence of the peer", test_idle_while_paused},
                                   {"connections that do not come about", test_connect_timeout},
                                   {"waiting calls go in order", test_order},
                                   {"callbacks close and start calls", test_callbacks},
                                   {"error texts", test_texts}};
CHECK_MAIN(cases)
