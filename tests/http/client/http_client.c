/* The HTTP client against our own server and against peers that misbehave. */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/wait.h>

#include "coro/coro.h"
#include "coro/sched.h"
#include "coro/stack.h"
#include "http/client/client.h"
#include "tests/harness/http_harness.h"

static uv_loop_t loop;
static http_client *client;
static char url[256];

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
    http_client_stop(client, on_client_closed, &closed);
    while (!closed) uv_run(&loop, UV_RUN_ONCE);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
}

static const char *at(const char *path)
{
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", test->port, path);
    return url;
}

/* One call and how often it changed. */
typedef struct watched {
    http_call *call;
    int changes;
} watched;

static void on_change(void *arg) { ((watched *)arg)->changes++; }

static void start(watched *w, const http_call_options *o)
{
    w->changes = 0;
    w->call = http_call_start(client, o, on_change, w);
    CHECK(w->call);
    CHECK_INT(w->changes, 0);
}

static void wait_for(watched *w, http_call_state state)
{
    /* The client's handles do not keep the loop alive by themselves, calls under way do. */
    while (http_call_state_of(w->call) < state)
        CHECK(uv_run(&loop, UV_RUN_ONCE) != 0 || http_call_state_of(w->call) >= state);
}

static void finish(watched *w, int status, const char *body)
{
    size_t len;
    wait_for(w, HTTP_CALL_DONE);
    if (http_call_state_of(w->call) == HTTP_CALL_FAILED) printf("# %s\n", http_call_error_text(w->call));
    CHECK_INT(http_call_state_of(w->call), HTTP_CALL_DONE);
    CHECK_INT(http_call_status(w->call), status);
    const char *data = http_call_data(w->call, &len);
    if (body) CHECK_STR(data, body);
    http_call_close(w->call);
}

static void fail(watched *w, http_call_error_kind kind)
{
    wait_for(w, HTTP_CALL_DONE);
    if (http_call_error(w->call) != kind) printf("# %d: %s\n", http_call_error(w->call), http_call_error_text(w->call));
    CHECK_INT(http_call_state_of(w->call), HTTP_CALL_FAILED);
    CHECK_INT(http_call_error(w->call), kind);
    CHECK(strlen(http_call_error_text(w->call)) > 5);
    CHECK(w->changes >= 1);
    http_call_close(w->call);
}

/* ---- Peers that say what they are told ---- */

typedef struct peer {
    int fd, port;
    pthread_t thread;
    const char *says; /* after the request's head */
    size_t says_len;
    bool stays;       /* keeps the connection open until the client closes it */
    char heard[8192]; /* of the last request */
    atomic_int accepted;
} peer;

static void *peer_main(void *arg)
{
    peer *p = arg;
    for (int fd; (fd = accept(p->fd, NULL, NULL)) >= 0; close(fd)) {
        size_t len = 0;
        atomic_fetch_add(&p->accepted, 1);
        p->heard[0] = 0;
        for (ssize_t n;
             !strstr(p->heard, "\r\n\r\n") && (n = read(fd, p->heard + len, sizeof p->heard - 1 - len)) > 0;) {
            len += (size_t)n;
            p->heard[len] = 0;
        }
        for (size_t sent = 0; sent < p->says_len;) {
            ssize_t n = send(fd, p->says + sent, p->says_len - sent, MSG_NOSIGNAL);
            if (n <= 0) break;
            sent += (size_t)n;
        }
        char rest[64];
        while (p->stays && read(fd, rest, sizeof rest) > 0) {}
    }
    return NULL;
}

static void peer_start(peer *p, const char *says, bool stays)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    *p = (peer){
        .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .says = says, .says_len = strlen(says), .stays = stays};
    CHECK(p->fd >= 0 && bind(p->fd, (struct sockaddr *)&a, len) == 0 && listen(p->fd, 16) == 0);
    CHECK(getsockname(p->fd, (struct sockaddr *)&a, &len) == 0);
    p->port = ntohs(a.sin_port);
    CHECK(pthread_create(&p->thread, NULL, peer_main, p) == 0);
}

static void peer_stop(peer *p)
{
    CHECK(shutdown(p->fd, SHUT_RDWR) == 0);
    CHECK(pthread_join(p->thread, NULL) == 0);
    close(p->fd);
}

static const char *peer_url(const peer *p)
{
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", p->port);
    return url;
}

/* ---- Calls that succeed ---- */

static void test_calls(void)
{
    static const char *const headers[] = {"X-One: 1", "Host: example.test", "X-Empty:", NULL};
    watched w;
    test_start(NULL);
    begin(&(http_client_options){.user_agent = "test"});
    start(&w, &(http_call_options){.url = at("/hello")});
    CHECK_INT(http_client_active(client), 1);
    wait_for(&w, HTTP_CALL_DONE);
    bool typed = false;
    for (const char *const *h = http_call_headers(w.call); *h; h++)
        typed |= strcmp(*h, "Content-Type: text/plain") == 0;
    CHECK(typed);
    finish(&w, 200, "hello");
    start(&w, &(http_call_options){.url = at("/info?a=b"), .method = "DELETE", .headers = headers});
    wait_for(&w, HTTP_CALL_DONE);
    size_t len;
    CHECK(strstr(http_call_data(w.call, &len), "DELETE|/info?a=b|/info|a=b|example.test|"));
    finish(&w, 200, NULL);
    static const char *const methods[] = {NULL, "POST", "PUT", "PATCH", "DELETE", "GET"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        start(&w, &(http_call_options){.url = at("/echo"), .method = methods[i], .body = "a body", .body_len = 6});
        finish(&w, 200, "a body");
    }
    start(&w, &(http_call_options){.url = at("/echo"), .method = "POST"});
    finish(&w, 200, "");
    start(&w, &(http_call_options){.url = at("/big?100000"), .method = "HEAD"});
    finish(&w, 200, "");
    start(&w, &(http_call_options){.url = at("/empty?204")});
    finish(&w, 204, "");
    start(&w, &(http_call_options){.url = at("/stream?1000")});
    wait_for(&w, HTTP_CALL_DONE);
    (void)http_call_data(w.call, &len);
    CHECK_INT(len, 6000);
    finish(&w, 200, NULL);
    CHECK_INT(test_connections(), 1); /* all on one connection */
    http_client_flush(client);
    CHECK_INT(http_client_active(client), 0);
    end();
    test_stop();
}

static void test_parallel(void)
{
    enum { CALLS = 500 };
    static watched all[CALLS];
    test_start(NULL);
    begin(&(http_client_options){.transfers_per_handle = 16, .connections_per_host = 100});
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < CALLS; i++) start(&all[i], &(http_call_options){.url = at(i % 2 ? "/later" : "/hello")});
        for (int i = 0; i < CALLS; i++) finish(&all[i], 200, "hello");
        CHECK(test_connections() <= 100);
    }
    end();
    test_stop();
}

static void test_limits(void)
{
    watched a, b, c, d;
    test_start(NULL);
    begin(&(http_client_options){.connections_per_host = 2, .calls_max = 3});
    start(&a, &(http_call_options){.url = at("/hold")});
    start(&b, &(http_call_options){.url = at("/hold")});
    start(&c, &(http_call_options){.url = at("/hello"), .timeout_ms = 60});
    start(&d, &(http_call_options){.url = at("/hello")});
    fail(&d, HTTP_CALL_BUSY);
    fail(&c, HTTP_CALL_TIMEOUT); /* while it waits for a connection */
    start(&c, &(http_call_options){.url = at("/hello")});
    http_client_flush(client);
    http_call_close(a.call); /* gives its turn to the one that waits */
    finish(&c, 200, "hello");
    http_call_close(b.call);
    end();
    test_stop();
}

/* ---- Calls that fail ---- */

static void test_bad_requests(void)
{
    static const char *const split[] = {"X-A: b\r\nX-C: d", NULL}, *const nameless[] = {": b", NULL},
                             *const length[] = {"Content-Length: 5", NULL},
                             *const chunked[] = {"Transfer-Encoding: chunked", NULL};
    static const char *const *const wrong_headers[] = {split, nameless, length, chunked};
    static const char *const wrong_urls[] = {"ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1",
                                             "http://",          "http:///x",          "",
                                             "http://a b/",      "http://a\r\nb/",     NULL};
    watched w;
    begin(&(http_client_options){.calls_max = 0});
    for (const char *const *u = wrong_urls; *u; u++) {
        start(&w, &(http_call_options){.url = *u});
        fail(&w, HTTP_CALL_BAD_URL);
    }
    for (size_t i = 0; i < 4; i++) {
        start(&w, &(http_call_options){.url = "http://127.0.0.1:1/", .headers = wrong_headers[i]});
        fail(&w, HTTP_CALL_BAD_HEADER);
    }
    start(&w, &(http_call_options){.url = "http://127.0.0.1:1/", .method = "GE T"});
    fail(&w, HTTP_CALL_BAD_HEADER);
    start(&w, &(http_call_options){.url = "http://127.0.0.1:1/", .method = "CONNECT"});
    fail(&w, HTTP_CALL_BAD_HEADER);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int deaf = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* bound, so nobody else's, and not listening */
    CHECK(deaf >= 0 && bind(deaf, (struct sockaddr *)&a, len) == 0 &&
          getsockname(deaf, (struct sockaddr *)&a, &len) == 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(a.sin_port));
    start(&w, &(http_call_options){.url = url});
    fail(&w, HTTP_CALL_CONNECT);
    close(deaf);
    start(&w, &(http_call_options){.url = "http://no-such-name.invalid/"});
    wait_for(&w, HTTP_CALL_DONE);
    CHECK(http_call_error(w.call) == HTTP_CALL_RESOLVE);
    http_call_close(w.call);
    end();
}

static void peer_fails(const char *says, bool stays, http_call_error_kind kind, const http_call_options *more)
{
    peer p;
    watched w;
    http_call_options o = more ? *more : (http_call_options){.url = NULL};
    peer_start(&p, says, stays);
    begin(&(http_client_options){.calls_max = 0});
    o.url = peer_url(&p);
    start(&w, &o);
    fail(&w, kind);
    end();
    peer_stop(&p);
}

static void test_bad_peers(void)
{
    static char long_head[400000];
    peer_fails("", false, HTTP_CALL_BROKEN, NULL);
    peer_fails("garbage\r\n\r\n", false, HTTP_CALL_BROKEN, NULL);
    peer_fails("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", false, HTTP_CALL_BROKEN, NULL);
    peer_fails("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf", false, HTTP_CALL_BROKEN, NULL);
    peer_fails("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nmore than ten bytes", true, HTTP_CALL_TOO_LARGE,
               &(http_call_options){.body_bytes_max = 10});
    peer_fails("", true, HTTP_CALL_TIMEOUT, &(http_call_options){.timeout_ms = 80});
    peer_fails("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", true, HTTP_CALL_TIMEOUT,
               &(http_call_options){.timeout_ms = 80});
    peer_fails("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", true, HTTP_CALL_TIMEOUT,
               &(http_call_options){.silence_ms = 60});
    memset(long_head, 'h', sizeof long_head - 1);
    memcpy(long_head, "HTTP/1.1 200 OK\r\nX: ", 20);
    for (size_t i = 1000; i + 1000 < sizeof long_head; i += 1000) memcpy(long_head + i, "\r\nX: ", 5);
    memcpy(long_head + sizeof long_head - 5, "\r\n\r\n", 5);
    peer_fails(long_head, false, HTTP_CALL_TOO_LARGE, NULL);
}

/* ---- Redirects and interim responses ---- */

static void test_redirects(void)
{
    static const char *const secret[] = {"Authorization: Bearer secret", NULL};
    char says[256];
    peer from, to;
    watched w;
    /* They close after each answer and say so: else the next call might take a connection that is just being closed. */
    peer_start(&to, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Here: yes\r\n\r\nthis",
               false);
    snprintf(says, sizeof says,
             "HTTP/1.1 302 Found\r\nLocation: http://localhost:%d/x\r\nX-There: no\r\nConnection: "
             "close\r\nContent-Length: 3\r\n\r\nnot",
             to.port);
    peer_start(&from, says, false);
    begin(&(http_client_options){.calls_max = 0});
    start(&w, &(http_call_options){.url = peer_url(&from)});
    finish(&w, 302, "not");
    start(&w, &(http_call_options){.url = peer_url(&from), .redirects_max = 3, .headers = secret});
    wait_for(&w, HTTP_CALL_DONE);
    const char *const *h = http_call_headers(w.call);
    for (; *h; h++) CHECK(strncmp(*h, "X-There", 7) != 0);
    finish(&w, 200, "this");
    CHECK(strstr(from.heard, "Bearer secret"));
    CHECK(!strstr(to.heard, "Bearer secret")); /* another host */
    end();
    peer_stop(&from);
    snprintf(says, sizeof says,
             "HTTP/1.1 302 Found\r\nLocation: /again\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    peer_start(&from, says, false);
    begin(&(http_client_options){.calls_max = 0});
    start(&w, &(http_call_options){.url = peer_url(&from), .redirects_max = 3});
    fail(&w, HTTP_CALL_REDIRECT);
    CHECK_INT(from.accepted, 4);
    end();
    peer_stop(&from);
    peer_stop(&to);
}

/* ---- Streams ---- */

static void test_stream(void)
{
    enum { SIZE = 5 << 20 };
    char path[32];
    watched w;
    size_t seen = 0, most = 0, len;
    test_start(NULL);
    begin(&(http_client_options){.calls_max = 0});
    snprintf(path, sizeof path, "/big?%d", SIZE);
    start(&w, &(http_call_options){.url = at(path), .streaming = true});
    wait_for(&w, HTTP_CALL_HEAD);
    CHECK_INT(http_call_status(w.call), 200);
    for (int turn = 0; seen < SIZE; turn++) {
        const char *data = http_call_data(w.call, &len);
        if (len > most) most = len;
        if (len == 0) {
            CHECK(uv_run(&loop, UV_RUN_ONCE) != 0 || http_call_state_of(w.call) == HTTP_CALL_DONE);
            continue;
        }
        if (turn % 7 == 0) uv_run(&loop, UV_RUN_NOWAIT);
        /* `data` is still good, although more may have come */
        if (len > 5000) len = 5000;
        for (size_t i = 0; i < len; i++) CHECK(data[i] == (char)('a' + (seen + i) % 26));
        seen += len;
        http_call_consume(w.call, len);
    }
    CHECK(most <= (512 << 10));
    wait_for(&w, HTTP_CALL_DONE);
    http_call_close(w.call);
    start(&w, &(http_call_options){.url = at("/flood"), .streaming = true});
    wait_for(&w, HTTP_CALL_HEAD);
    for (int i = 0; i < 50; i++) uv_run(&loop, UV_RUN_NOWAIT);
    (void)http_call_data(w.call, &len);
    CHECK(len > 0 && len <= (512 << 10)); /* it is not taken, so it does not come */
    http_call_close(w.call);
    end();
    test_stop();
}

static void close_itself(void *arg)
{
    watched *w = arg;
    w->changes++;
    http_call_close(w->call);
}

static void test_close(void)
{
    watched w, other;
    test_start(NULL);
    begin(&(http_client_options){.connections_per_host = 1});
    start(&w, &(http_call_options){.url = at("/hello")}); /* new */
    http_call_close(w.call);
    start(&w, &(http_call_options){.url = "nonsense"});
    http_call_close(w.call);
    start(&w, &(http_call_options){.url = at("/hold")}); /* running, waiting */
    start(&other, &(http_call_options){.url = at("/hold")});
    for (int i = 0; i < 20; i++) uv_run(&loop, UV_RUN_NOWAIT);
    http_call_close(other.call);
    http_call_close(w.call);
    start(&w, &(http_call_options){.url = at("/begin"), .streaming = true});
    wait_for(&w, HTTP_CALL_HEAD);
    http_call_close(w.call);
    w.changes = 0;
    w.call = http_call_start(client, &(http_call_options){.url = at("/hello")}, close_itself, &w);
    while (w.changes == 0) uv_run(&loop, UV_RUN_ONCE);
    http_client_flush(client);
    CHECK_INT(w.changes, 1);
    CHECK_INT(http_client_active(client), 0);
    end();
    test_stop();
}

/* ---- From coroutines, whose stacks are too small for curl ---- */

enum { COROUTINES = 50 };
static sched ready;
static int done;

static void resume(void *arg) { sched_ready(&ready, arg); }

static void in_coroutine(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++) {
        size_t len;
        http_call *call = http_call_start(client, &(http_call_options){.url = at("/hello")}, resume, coro_current());
        CHECK(call);
        while (http_call_state_of(call) < HTTP_CALL_DONE) coro_suspend();
        CHECK_STR(http_call_data(call, &len), "hello");
        http_call_close(call);
    }
    done++;
}

static void test_coroutines(void)
{
    test_start(NULL);
    begin(&(http_client_options){.calls_max = 0});
    stack_pool *stacks = stack_pool_new(&(stack_pool_options){.stack_size_bytes = 16384});
    CHECK(stacks);
    sched_init(&ready);
    done = 0;
    for (int i = 0; i < COROUTINES; i++) sched_ready(&ready, coro_create(stacks, in_coroutine, NULL));
    while (done < COROUTINES) {
        sched_run(&ready, 0);
        http_client_flush(client);
        if (ready.ready == 0) uv_run(&loop, UV_RUN_NOWAIT); /* news may come before the poll: never wait in it */
    }
    stack_pool_free(stacks);
    end();
    test_stop();
}

/* ---- TLS, against openssl's own server ---- */

/* The TLS library sees this folder in place of the system's authorities. NULL: it sees them. */
static const char *system_authorities;
static const char *moved(const char *path, char *room, size_t size)
{
    const char place[] = "/etc/ssl/certs/";
    if (!system_authorities || strncmp(path, place, sizeof place - 1) != 0) return path;
    snprintf(room, size, "%s/%s", system_authorities, path + sizeof place - 1);
    return room;
}

static FILE *open_moved(const char *function, const char *path, const char *mode)
{
    char room[PATH_MAX];
    FILE *(*real)(const char *, const char *);
    *(void **)&real = dlsym(RTLD_NEXT, function);
    return real(moved(path, room, sizeof room), mode);
}

/* The labels are the C library's names; in our own calls its headers give them others. */
#pragma GCC visibility push(default) /* for the TLS library's calls, too */
FILE *open_file(const char *path, const char *mode) __asm__("fopen");
FILE *open_file(const char *path, const char *mode) { return open_moved("fopen", path, mode); }
FILE *open_file64(const char *path, const char *mode) __asm__("fopen64");
FILE *open_file64(const char *path, const char *mode) { return open_moved("fopen64", path, mode); }

int look_at(const char *path, void *about) __asm__("stat");
int look_at(const char *path, void *about)
{
    char room[PATH_MAX];
    int (*real)(const char *, void *);
    *(void **)&real = dlsym(RTLD_NEXT, "stat");
    return real(moved(path, room, sizeof room), about);
}
#pragma GCC visibility pop

static pid_t tls_server(const char *folder, int port)
{
    char command[1024];
    snprintf(command, sizeof command,
             "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out "
             "ca.pem -days 2 "
             "-subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null",
             folder);
    CHECK_INT(system(command), 0);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char accept_at[16];
        snprintf(accept_at, sizeof accept_at, "%d", port);
        CHECK(chdir(folder) == 0);
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execlp("openssl", "openssl", "s_server", "-accept", accept_at, "-key", "key.pem", "-cert", "ca.pem", "-www",
               (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* Until it listens, at the url. */
static void await_server(void)
{
    watched w;
    http_call_error_kind kind = HTTP_CALL_CONNECT;
    begin(&(http_client_options){.calls_max = 0});
    for (int i = 0; kind == HTTP_CALL_CONNECT; i++) {
        CHECK(i < 500);
        if (i > 0) usleep(20000);
        start(&w, &(http_call_options){.url = url});
        wait_for(&w, HTTP_CALL_DONE);
        kind = http_call_error(w.call);
        http_call_close(w.call);
    }
    end();
}

static void test_tls(void)
{
    char folder[] = "/tmp/stepwell-tls-XXXXXX", ca[64], command[128];
    peer p;
    watched w;
    CHECK(system("openssl version >/dev/null") == 0 && "the openssl command is missing: run script/setup unit");
    CHECK(mkdtemp(folder));
    peer_start(&p, "", false); /* only for a free port */
    peer_stop(&p);
    pid_t pid = tls_server(folder, p.port);
    snprintf(ca, sizeof ca, "%s/ca.pem", folder);
    snprintf(url, sizeof url, "https://localhost:%d/", p.port);
    await_server();
    begin(&(http_client_options){.ca_file = ca});
    start(&w, &(http_call_options){.url = url});
    finish(&w, 200, NULL);
    end();
    begin(&(http_client_options){.calls_max = 0});
    start(&w, &(http_call_options){.url = url});
    fail(&w, HTTP_CALL_CERTIFICATE);
    end();
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, NULL, 0) == pid);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK_INT(system(command), 0);
}

/* What is trusted where the system trusts the peer. */
typedef struct trust {
    const char *ca_file, *file, *folder; /* names in the test's folder: the option, SSL_CERT_FILE, SSL_CERT_DIR */
    bool good;
} trust;

static void name_in_environment(const char *variable, const char *folder, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name ? name : "");
    CHECK_INT(name ? setenv(variable, path, 1) : unsetenv(variable), 0);
}

static void call_trusting(const char *folder, const trust *t, const char *called)
{
    watched w;
    char file[128] = "";
    if (t->ca_file && *t->ca_file) snprintf(file, sizeof file, "%s/%s", folder, t->ca_file);
    name_in_environment("SSL_CERT_FILE", folder, t->file);
    name_in_environment("SSL_CERT_DIR", folder, t->folder);
    printf("# %s: --ca-file %s, SSL_CERT_FILE %s, SSL_CERT_DIR %s\n", called, t->ca_file ? t->ca_file : "-",
           t->file ? t->file : "-", t->folder ? t->folder : "-");
    begin(&(http_client_options){.ca_file = t->ca_file ? file : NULL});
    start(&w, &(http_call_options){.url = called});
    if (t->good) {
        finish(&w, 200, NULL);
    } else {
        wait_for(&w, HTTP_CALL_DONE);
        CHECK(http_call_state_of(w.call) == HTTP_CALL_FAILED);
        CHECK(strstr(http_call_error_text(w.call), "(trusted are --ca-file, else"));
        fail(&w, HTTP_CALL_CERTIFICATE);
    }
    end();
}

static void test_authorities(void)
{
    static const trust trusts[] = {{NULL, NULL, NULL, true},
                                   {"other.pem", NULL, NULL, false},
                                   {NULL, "other.pem", NULL, false},
                                   {NULL, NULL, "none", false},
                                   {NULL, NULL, "system", true},
                                   {NULL, "other.pem", "none", false},
                                   {NULL, "other.pem", "system", true},
                                   {NULL, "ca.pem", "none", true},
                                   {"other.pem", "ca.pem", "system", false},
                                   {"ca.pem", "other.pem", "none", true},
                                   {"", NULL, NULL, false}};
    char folder[] = "/tmp/stepwell-tls-XXXXXX", system_folder[64], command[512], proxy[64];
    peer p;
    CHECK(mkdtemp(folder));
    peer_start(&p, "", false); /* only for a free port */
    peer_stop(&p);
    pid_t pid = tls_server(folder, p.port);
    snprintf(command, sizeof command,
             "cd %s && mkdir system none && cp ca.pem system/ca-certificates.crt && openssl rehash system && openssl "
             "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -out other.pem -days 2 "
             "-subj /CN=other 2>/dev/null && ls system/*.0 >/dev/null",
             folder);
    CHECK_INT(system(command), 0);
    snprintf(system_folder, sizeof system_folder, "%s/system", folder);
    system_authorities = system_folder;
    snprintf(url, sizeof url, "https://localhost:%d/", p.port);
    snprintf(proxy, sizeof proxy, "https://localhost:%d", p.port);
    await_server();
    for (size_t i = 0; i < sizeof trusts / sizeof *trusts; i++) call_trusting(folder, &trusts[i], url);
    CHECK_INT(setenv("http_proxy", proxy, 1), 0); /* the same server answers as a proxy */
    for (size_t i = 0; i < sizeof trusts / sizeof *trusts; i++)
        call_trusting(folder, &trusts[i], "http://services.test/");
    CHECK(unsetenv("http_proxy") == 0 && unsetenv("SSL_CERT_FILE") == 0 && unsetenv("SSL_CERT_DIR") == 0);
    system_authorities = NULL;
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, NULL, 0) == pid);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK_INT(system(command), 0);
}

static const check_case cases[] = {{"calls and methods on one connection", test_calls},
                                   {"many at once", test_parallel},
                                   {"limits", test_limits},
                                   {"requests that are not sent", test_bad_requests},
                                   {"peers that misbehave", test_bad_peers},
                                   {"redirects and interim responses", test_redirects},
                                   {"streams and backpressure", test_stream},
                                   {"closing at every stage", test_close},
                                   {"from small stacks", test_coroutines},
                                   {"TLS", test_tls},
                                   {"authorities", test_authorities}};
CHECK_MAIN(cases)
