/* Connections that outlive the worker: what a client gets on its one TCP connection while the worker is killed under
 * it, byte for byte. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum {
    CLIENTS = 200,
    STEPS = 10,
    STEP_MS = 300,
    KILLS = 3,
    BIG_BYTES = 5000000,
    CHUNKS = 300,
    CHUNK_BYTES = 4000,
    BODY_BYTES = 100000,
    RUNS = 4096
};

/* Seen by the test and all its workers. */
typedef struct notes {
    int hold_start; /* workers wait before they serve */
    int stage;      /* to which on_stages goes on */
    int starts;
    int begun[RUNS][STEPS];
    int committed[RUNS][STEPS]; /* the step's result was on disk */
    int again;                  /* steps that ran although that was so */
    int64_t value[RUNS][STEPS]; /* what the step returned when it ran last */
} notes;
static notes *seen;
static char folder[128];
static int folders;

static int load(const int *at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }
static void set(int *at, int value) { __atomic_store_n(at, value, __ATOMIC_SEQ_CST); }
static void nap(void) { usleep(5000); }

/* ---- The program ---- */

static void on_pid(sw_ctx *c) { sw_reply_text(c, 200, "%lld", (long long)getpid()); }

static sw_value work(sw_ctx *c, sw_value input)
{
    int64_t n = sw_as_int(sw_at(input, 0), 0), k = sw_as_int(sw_at(input, 1), 0);
    if (load(&seen->committed[n][k])) __atomic_add_fetch(&seen->again, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&seen->begun[n][k], 1, __ATOMIC_SEQ_CST);
    sw_sleep(c, "work", STEP_MS);
    seen->value[n][k] = (int64_t)(sw_random(c) >> 12);
    return sw_int(seen->value[n][k]);
}

static void do_steps(sw_ctx *c, int64_t n, int count, sw_value *values)
{
    for (int k = 0; k < count; k++) {
        sw_value input = sw_array(c, 2, sw_int(n), sw_int(k));
        sw_push(c, values, sw_step_with(c, "work", work, input, &(sw_step_options){.sync = true}));
        set(&seen->committed[n][k], 1);
    }
}

static int64_t number(sw_ctx *c) { return strtoll(sw_param(c, "n"), NULL, 10) % RUNS; }

static void on_work(sw_ctx *c)
{
    sw_value values = sw_nil();
    do_steps(c, number(c), STEPS, &values);
    char padding[3000]; /* so that the supervisor's socket is full of few replies */
    memset(padding, 'x', sizeof padding - 1);
    padding[sizeof padding - 1] = 0;
    sw_reply_header(c, "X-Number", sw_param(c, "n"));
    sw_reply_header(c, "X-Padding", padding);
    sw_reply_json(c, 200, values);
}

static char big_byte(size_t i) { return (char)('a' + (i * 7 + (i >> 8)) % 26); }

static void on_big(sw_ctx *c)
{
    sw_value values = sw_nil();
    do_steps(c, number(c), 1, &values);
    char *body = sw_alloc(c, BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++) body[i] = big_byte(i);
    sw_reply(c, 200, "text/plain", body, BIG_BYTES);
}

static void chunk_text(int i, char text[CHUNK_BYTES + 16])
{
    int n = snprintf(text, 16, "%d:", i);
    memset(text + n, 'a' + i % 26, CHUNK_BYTES);
    text[n + CHUNK_BYTES] = 0;
}

static sw_value tell(sw_ctx *c, sw_value input)
{
    char text[CHUNK_BYTES + 16];
    int64_t from = sw_as_int(input, 0);
    for (int64_t i = from; i < from + 10; i++) {
        chunk_text((int)i, text);
        sw_push_chunk(c, sw_str(c, text));
    }
    sw_sleep(c, "thinking", 20);
    return input;
}

static void on_stream(sw_ctx *c)
{
    for (int i = 0; i < CHUNKS; i += 10) sw_step(c, "tell", tell, sw_int(i));
    sw_reply_text(c, 200, "told");
}

static sw_value await_stage(sw_ctx *c, sw_value stage)
{
    while (load(&seen->stage) < sw_as_int(stage, 0)) sw_sleep(c, "stage", 10);
    return stage;
}

static void on_stages(sw_ctx *c)
{
    for (int i = 1; i <= 2; i++) {
        char text[CHUNK_BYTES + 16];
        chunk_text(i, text);
        sw_push_chunk(c, sw_str(c, text));
        sw_step(c, "await", await_stage, sw_int(i));
    }
    sw_reply_text(c, 200, "told");
}

static const char *on_start(sw_app *app, void *arg)
{
    (void)app, (void)arg;
    __atomic_add_fetch(&seen->starts, 1, __ATOMIC_SEQ_CST);
    while (load(&seen->hold_start)) nap();
    return NULL;
}

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("keeping");
    sw_route(app, "GET /pid", on_pid);
    sw_endpoint(app, "GET /work/:n", on_work, NULL);
    sw_endpoint(app, "POST /work/:n", on_work, NULL);
    sw_endpoint(app, "GET /relaxed/:n", on_work, &(sw_endpoint_options){.durability = SW_RELAXED});
    sw_endpoint(app, "GET /big/:n", on_big, NULL);
    sw_endpoint(app, "GET /stream", on_stream, NULL);
    sw_endpoint(app, "POST /stages", on_stages, NULL);
    sw_on_start(app, on_start, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Clients: one connection each, which is never opened a second time ---- */

typedef struct client {
    int fd;
    int64_t n;
    char *data; /* malloc'd: all that came */
    size_t len, room;
    bool ended; /* the server has ended the connection, or it broke */
} client;

static void client_open(client *c, int receive_buffer)
{
    struct sockaddr_in to = server_sockaddr();
    *c = (client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    CHECK(c->fd >= 0);
    if (receive_buffer > 0)
        CHECK(setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer) == 0);
    struct pollfd p = {.fd = c->fd, .events = POLLOUT};
    CHECK(connect(c->fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS);
    CHECK(poll(&p, 1, PATIENCE_MS) == 1);
}

__attribute__((format(printf, 2, 3))) static void client_send(client *c, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    CHECK(n > 0 && (size_t)n < sizeof text && send(c->fd, text, (size_t)n, MSG_NOSIGNAL) == n);
}

/* Reads what is there, at most `most` bytes. */
static void client_read(client *c, size_t most)
{
    while (!c->ended && most > 0) {
        if (c->len == c->room) {
            c->room = c->room ? c->room * 2 : 4096;
            CHECK((c->data = realloc(c->data, c->room + 1)) != NULL);
        }
        size_t want = c->room - c->len < most ? c->room - c->len : most;
        ssize_t n = recv(c->fd, c->data + c->len, want, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
        if (n <= 0) c->ended = true;
        if (n > 0) c->len += (size_t)n, most -= (size_t)n;
        c->data[c->len] = 0;
    }
}

/* The length of the first answer in what came, head and body; 0: it is not whole. */
static size_t answer_len(const client *c, const char **body, size_t *body_len)
{
    const char *end = c->len > 0 ? strstr(c->data, "\r\n\r\n") : NULL;
    const char *length = end ? strcasestr(c->data, "\r\nContent-Length: ") : NULL;
    if (!length || length > end) return 0;
    *body = end + 4;
    *body_len = strtoull(length + 18, NULL, 10);
    size_t all = (size_t)(*body - c->data) + *body_len;
    return all <= c->len ? all : 0;
}

static void client_wait(client *c, const char **body, size_t *body_len)
{
    while (answer_len(c, body, body_len) == 0) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        CHECK(poll(&p, 1, PATIENCE_MS) == 1);
        client_read(c, SIZE_MAX);
        CHECK(!c->ended || answer_len(c, body, body_len) > 0);
    }
}

static void client_forget(client *c, size_t len)
{
    memmove(c->data, c->data + len, c->len - len + 1);
    c->len -= len;
}

static void client_close(client *c)
{
    close(c->fd);
    free(c->data);
}

/* Its answer is the values that its steps returned, and nothing else. */
static void check_work(client *c)
{
    const char *body = NULL;
    char expected[512] = "[", header[64];
    size_t body_len = 0, n = 1;
    client_wait(c, &body, &body_len);
    for (int k = 0; k < STEPS; k++)
        n += (size_t)snprintf(expected + n, sizeof expected - n, "%s%lld", k ? "," : "",
                              (long long)seen->value[c->n][k]);
    snprintf(expected + n, sizeof expected - n, "]");
    snprintf(header, sizeof header, "\r\nX-Number: %lld\r\n", (long long)c->n);
    CHECK(strncmp(c->data, "HTTP/1.1 200 OK\r\n", 17) == 0 && strstr(c->data, header) != NULL);
    CHECK_INT(strtoull(strcasestr(c->data, "content-length: ") + 16, NULL, 10), strlen(expected));
    CHECK(body_len == strlen(expected) && memcmp(body, expected, body_len) == 0);
    client_forget(c, (size_t)(body - c->data) + body_len);
}

/* The connection goes on behind the answer. */
static pid_t check_alive(client *c)
{
    const char *body = NULL;
    size_t body_len = 0;
    client_send(c, "GET /pid HTTP/1.1\r\nHost: x\r\n\r\n");
    client_wait(c, &body, &body_len);
    pid_t pid = (pid_t)strtoll(body, NULL, 10);
    client_forget(c, (size_t)(body - c->data) + body_len);
    CHECK_INT(c->len, 0);
    return pid;
}

static pid_t worker_pid(void)
{
    client c;
    client_open(&c, 0);
    pid_t pid = check_alive(&c);
    client_close(&c);
    return pid;
}

static void await_kept(long count)
{
    while (server_metric("connections_kept_total") + server_metric("connections_taken_back_total") < count) nap();
}

static void kill_worker(void)
{
    int starts = load(&seen->starts);
    CHECK(kill(worker_pid(), SIGKILL) == 0);
    while (load(&seen->starts) == starts) nap();
}

static int descriptors(pid_t pid)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%lld/fd", (long long)pid);
    DIR *d = opendir(path);
    CHECK(d);
    while (readdir(d)) count++;
    closedir(d);
    return count;
}

/* Once the supervisor has closed what the start of its worker needed. */
static int settled_descriptors(pid_t pid)
{
    int n = descriptors(pid);
    for (int same = 0; same < 10; same++) {
        usleep(10000);
        int now = descriptors(pid);
        if (now != n) same = 0;
        n = now;
    }
    return n;
}

static void start(const char *const *more)
{
    const char *flags[20] = {"--data", folder, "--supervise", "--dev", "--loops", "2"};
    size_t n = 6;
    snprintf(folder, sizeof folder, "%s/data%d", root, folders++);
    for (; more && *more; more++) flags[n++] = *more;
    memset(seen, 0, sizeof *seen);
    served_start(&server, flags);
}

/* ---- Tests ---- */

static void test_work(void)
{
    static client clients[CLIENTS];
    start(NULL);
    int before = settled_descriptors(server.pid);
    for (int i = 0; i < CLIENTS; i++) {
        client_open(&clients[i], 0);
        clients[i].n = i;
        if (i % 2)
            client_send(&clients[i], "POST /work/%d HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", i);
        else
            client_send(&clients[i], "GET /work/%d HTTP/1.1\r\nHost: x\r\n\r\n", i);
    }
    for (int k = 0; k < KILLS; k++) {
        while (load(&seen->committed[CLIENTS - 1][2 * k + 1]) == 0) nap();
        await_kept(CLIENTS);
        kill_worker();
    }
    for (int i = 0; i < CLIENTS; i++) check_work(&clients[i]);
    pid_t last = worker_pid();
    for (int i = 0; i < CLIENTS; i++) CHECK_INT(check_alive(&clients[i]), last);
    CHECK_INT(load(&seen->again), 0);
    while (descriptors(server.pid) > before) nap(); /* nothing is held any more */
    for (int i = 0; i < CLIENTS; i++) client_close(&clients[i]);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* A slow reader, whose answer is on its way at each of the kills. */
static void test_big(void)
{
    client c;
    const char *body = NULL;
    size_t body_len = 0;
    start(NULL);
    client_open(&c, 65536);
    client_send(&c, "GET /big/7 HTTP/1.1\r\nHost: x\r\n\r\nGET /pid HTTP/1.1\r\nHost: x\r\n\r\n");
    await_kept(1);
    for (int k = 0; k < 5; k++) {
        while (c.len < (size_t)k * 500000 + 1) {
            client_read(&c, 20000);
            CHECK(!c.ended);
        }
        kill_worker();
        (void)worker_pid();
    }
    client_wait(&c, &body, &body_len);
    CHECK_INT(body_len, BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++)
        if (body[i] != big_byte(i)) CHECK_INT(i, -1);
    client_forget(&c, (size_t)(body - c.data) + body_len);
    client_wait(&c, &body, &body_len); /* the second request, which was sent with the first */
    CHECK_INT(strtoll(body, NULL, 10), worker_pid());
    client_forget(&c, (size_t)(body - c.data) + body_len);
    CHECK_INT(check_alive(&c), worker_pid());
    CHECK_INT(seen->begun[7][0], 1);
    client_close(&c);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static bool is_whole(const client *c) { return c->len > 5 && memcmp(c->data + c->len - 5, "0\r\n\r\n", 5) == 0; }

/* The text of a chunked body. */
static char *dechunk(const client *c)
{
    char *text = calloc(1, c->len + 1), *to = text;
    const char *at = strstr(c->data, "\r\n\r\n") + 4, *end = c->data + c->len;
    size_t size = 1;
    CHECK(text);
    while (size > 0) {
        char *line_end;
        size = strtoull(at, &line_end, 16);
        CHECK(line_end > at && line_end[0] == '\r' && line_end[1] == '\n');
        at = line_end + 2;
        CHECK(size + 2 <= (size_t)(end - at) && at[size] == '\r' && at[size + 1] == '\n');
        memcpy(to, at, size);
        to += size;
        at += size + 2;
    }
    CHECK(at == end);
    return text;
}

/* Every frame once, in order; every chunk that is not taken back once, in order. */
static void check_frames(const char *text)
{
    char expected[CHUNK_BYTES + 16];
    int next_id = 0, next_chunk = 0, committed = 0;
    for (const char *at = strstr(text, "id: "); at; at = strstr(at, "\n\nid: ") ? strstr(at, "\n\nid: ") + 2 : NULL) {
        CHECK_INT(strtol(at + 4, NULL, 10), next_id);
        next_id++;
        const char *event = strstr(at, "event: ") + 7, *data = strstr(at, "data: ") + 6;
        if (strncmp(event, "inngest.stream\n", 15) == 0) {
            chunk_text(next_chunk++, expected);
            CHECK(strncmp(data + 9, expected, strlen(expected)) == 0 && data[9 + strlen(expected)] == '"');
        } else if (strncmp(event, "inngest.commit\n", 15) == 0) {
            CHECK_INT(next_chunk % 10, 0);
            committed = next_chunk;
        } else if (strncmp(event, "inngest.rollback\n", 17) == 0) {
            next_chunk = committed;
        } else if (strncmp(event, "inngest.response\n", 17) == 0) {
            CHECK(strstr(data, "\"body\":\"told\""));
            CHECK(!strstr(data, "\n\nid: "));
        } else {
            CHECK(next_id == 1 && strncmp(event, "inngest.metadata\n", 17) == 0);
        }
    }
    CHECK_INT(committed, CHUNKS);
}

/* It got everything, once, and the connection goes on. */
static void check_stream(client *c)
{
    char *text = dechunk(c);
    check_frames(text);
    free(text);
    client_forget(c, c->len);
    (void)check_alive(c);
    client_close(c);
    c->fd = -1;
}

static void test_streams(void)
{
    enum { READERS = 10, KILLS_NOW = 4 };
    static client clients[READERS];
    int kills = 0;
    start(NULL);
    for (int i = 0; i < READERS; i++) {
        client_open(&clients[i], i % 2 ? 8192 : 0);
        client_send(&clients[i], "GET /stream HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n");
    }
    await_kept(READERS);
    for (int left = READERS; left > 0; usleep(2000)) {
        for (int i = 0; i < READERS; i++) {
            client *c = &clients[i];
            if (c->fd < 0) continue;
            client_read(c, i % 2 ? 6000 : SIZE_MAX); /* half of them read slowly */
            CHECK(!c->ended);
            if (is_whole(c)) check_stream(c), left--;
        }
        /* a slow reader's progress: there is always something on its way */
        if (kills < KILLS_NOW && clients[1].len > (size_t)(kills + 1) * 100000) kill_worker(), kills++;
    }
    CHECK_INT(kills, KILLS_NOW);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Values of 16 KiB and more are in files of their own: the run's request is. */
static int damage_blobs(void)
{
    char path[256];
    int count = 0;
    snprintf(path, sizeof path, "%s/journal", folder);
    DIR *d = opendir(path);
    CHECK(d);
    for (struct dirent *e; (e = readdir(d));) {
        char byte;
        if (!strstr(e->d_name, ".blob")) continue;
        int fd = openat(dirfd(d), e->d_name, O_RDWR | O_CLOEXEC);
        CHECK(fd >= 0);
        if (pread(fd, &byte, 1, BODY_BYTES / 2) == 1) { /* else it has just been made */
            byte ^= 1;
            CHECK(pwrite(fd, &byte, 1, BODY_BYTES / 2) == 1);
            count++;
        }
        CHECK(close(fd) == 0);
    }
    closedir(d);
    return count;
}

static void client_until(client *c, size_t len)
{
    while (c->len < len) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        CHECK(poll(&p, 1, PATIENCE_MS) == 1);
        client_read(c, SIZE_MAX);
        CHECK(!c->ended);
    }
}

/* A former worker has sent a part of the stream that this one cannot write again, since the journal cannot be read: the
 * client is not left with half an event, but may ask again. */
static void test_stream_lost(void)
{
    static char body[BODY_BYTES];
    client c;
    char byte;
    start(NULL);
    client_open(&c, 0);
    client_send(&c, "POST /stages HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nContent-Length: %d\r\n\r\n",
                BODY_BYTES);
    memset(body, 'x', sizeof body);
    for (size_t sent = 0; sent < sizeof body;) {
        struct pollfd p = {.fd = c.fd, .events = POLLOUT};
        CHECK(poll(&p, 1, PATIENCE_MS) == 1);
        ssize_t n = send(c.fd, body + sent, sizeof body - sent, MSG_NOSIGNAL);
        CHECK(n > 0 || errno == EAGAIN);
        if (n > 0) sent += (size_t)n;
    }
    client_until(&c, CHUNK_BYTES);
    await_kept(1);
    kill_worker(); /* what the log had is in tables and files now */
    set(&seen->stage, 1);
    client_until(&c, 2 * CHUNK_BYTES);
    set(&seen->hold_start, 1);
    kill_worker();
    CHECK(damage_blobs() > 0);
    set(&seen->hold_start, 0);
    struct pollfd p = {.fd = c.fd, .events = POLLIN};
    ssize_t n;
    do {
        CHECK(poll(&p, 1, PATIENCE_MS) == 1);
        n = recv(c.fd, &byte, 1, 0);
    } while (n > 0);
    CHECK(n < 0 && errno == ECONNRESET);
    client_close(&c);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* The output URL, while the worker is killed; and HEAD, whose answer has no body. */
static void test_output(void)
{
    client c, head;
    const char *body = NULL;
    char path[512], *url;
    size_t body_len = 0;
    start(NULL);
    client_open(&c, 0);
    c.n = 11;
    client_send(&c, "GET /work/11 HTTP/1.1\r\nHost: x\r\nPrefer: respond-async\r\n\r\n");
    client_wait(&c, &body, &body_len);
    CHECK(strncmp(c.data, "HTTP/1.1 202 ", 13) == 0 && (url = strstr(c.data, "Location: http://x/")) != NULL);
    snprintf(path, sizeof path, "%.*s", (int)strcspn(url + 18, "\r"), url + 18);
    client_forget(&c, c.len);
    client_send(&c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    client_open(&head, 0);
    client_send(&head, "HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    await_kept(2);
    kill_worker();
    kill_worker();
    check_work(&c);
    while (!(head.len > 0 && strstr(head.data, "\r\n\r\n"))) client_read(&head, SIZE_MAX);
    CHECK(strncmp(head.data, "HTTP/1.1 200 ", 13) == 0 && strstr(head.data, "\r\n\r\n")[4] == 0);
    client_forget(&head, head.len);
    (void)check_alive(&head);
    CHECK_INT(load(&seen->again), 0);
    client_close(&c);
    client_close(&head);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* A replaced worker leaves what it could not send any more to the next one. */
static void test_upgrade(void)
{
    client c;
    const char *body = NULL;
    size_t body_len = 0;
    start((const char *const[]){"--drain", "1s", NULL});
    client_open(&c, 65536);
    client_send(&c, "GET /big/3 HTTP/1.1\r\nHost: x\r\n\r\n");
    await_kept(1);
    while (c.len == 0) client_read(&c, 20000);
    for (int k = 1; k <= 2; k++) {
        CHECK(kill(server.pid, SIGHUP) == 0);
        while (load(&seen->starts) <= k) nap();
        (void)worker_pid();
    }
    client_wait(&c, &body, &body_len);
    CHECK_INT(body_len, BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++)
        if (body[i] != big_byte(i)) CHECK_INT(i, -1);
    client_close(&c);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Clients that go away while nobody serves, or half away while somebody does, are not held for ever. */
static void test_gone(void)
{
    client c[4];
    start(NULL);
    int before = settled_descriptors(server.pid);
    for (int i = 0; i < 4; i++) {
        client_open(&c[i], 0);
        client_send(&c[i], "GET /work/%d HTTP/1.1\r\nHost: x\r\n\r\n", i);
    }
    await_kept(4);
    while (descriptors(server.pid) < before + 4)
        nap(); /* the worker has counted what the supervisor may not have yet */
    client_close(&c[0]);
    CHECK(shutdown(c[1].fd, SHUT_WR) == 0); /* it still reads */
    set(&seen->hold_start, 1);
    kill_worker();
    client_close(&c[2]);
    set(&seen->hold_start, 0);
    c[3].n = 3;
    check_work(&c[3]);
    while (descriptors(server.pid) > before) nap();
    client_close(&c[1]);
    client_close(&c[3]);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* What is not kept ends with its worker: more than --keep-max, all with --keep-after 0, answers before the commit. */
static void test_limits(void)
{
    client c[3];
    start((const char *const[]){"--keep-max", "2", "--loops", "1", NULL});
    for (int i = 0; i < 3; i++) {
        client_open(&c[i], 0);
        c[i].n = i;
        client_send(&c[i], "GET /work/%d HTTP/1.1\r\nHost: x\r\n\r\n", i);
    }
    await_kept(2);
    kill_worker();
    int kept = 0;
    for (int i = 0; i < 3; i++) {
        struct pollfd p = {.fd = c[i].fd, .events = POLLIN};
        CHECK(poll(&p, 1, PATIENCE_MS) == 1);
        client_read(&c[i], SIZE_MAX);
        if (c[i].len > 0) kept++, check_work(&c[i]);
        client_close(&c[i]);
    }
    CHECK_INT(kept, 2);
    CHECK_INT(served_stop(&server, SIGTERM), 0);

    start((const char *const[]){"--keep-after", "0", NULL});
    client_open(&c[0], 0);
    client_send(&c[0], "GET /work/0 HTTP/1.1\r\nHost: x\r\n\r\n");
    while (load(&seen->committed[0][0]) == 0) nap();
    CHECK_INT(server_metric("connections_kept_total"), 0);
    kill_worker();
    while (!c[0].ended) client_read(&c[0], SIZE_MAX);
    CHECK_INT(c[0].len, 0);
    client_close(&c[0]);
    CHECK_INT(served_stop(&server, SIGTERM), 0);

    start(NULL);
    client_open(&c[0], 0);
    c[0].n = 0;
    client_send(&c[0], "GET /relaxed/0 HTTP/1.1\r\nHost: x\r\n\r\n");
    await_kept(1);
    kill_worker();
    check_work(&c[0]);
    (void)check_alive(&c[0]);
    client_close(&c[0]);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* A supervisor that does not read costs its own clients their next request until it does, and nobody anything else. */
static void test_stopped_supervisor(void)
{
    enum { MANY = 400, CALLS = 20, CALLS_MOST_S = 20 };
    static client clients[MANY];
    start((const char *const[]){"--loops", "1", NULL});
    for (int i = 0; i < MANY; i++) {
        client_open(&clients[i], 0);
        clients[i].n = i;
        client_send(&clients[i], "GET /work/%d HTTP/1.1\r\nHost: x\r\n\r\n", i);
    }
    await_kept(MANY);
    CHECK(kill(server.pid, SIGSTOP) == 0);
    for (int i = 0; i < MANY; i++) check_work(&clients[i]); /* more messages than its socket holds */
    time_t before = time(NULL);
    pid_t worker = worker_pid();
    for (int i = 1; i < CALLS; i++) CHECK_INT(worker_pid(), worker);
    CHECK(time(NULL) - before < CALLS_MOST_S); /* 20 ms for each of the others would be minutes */
    CHECK(kill(server.pid, SIGCONT) == 0);
    for (int i = 0; i < MANY; i++) {
        CHECK_INT(check_alive(&clients[i]), worker);
        client_close(&clients[i]);
    }
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"work", test_work},
                                   {"big", test_big},
                                   {"streams", test_streams},
                                   {"stream lost", test_stream_lost},
                                   {"output", test_output},
                                   {"gone", test_gone},
                                   {"upgrade", test_upgrade},
                                   {"limits", test_limits},
                                   {"stopped supervisor", test_stopped_supervisor}};

SERVED_MAIN_NOTES(serve, seen, cases)
