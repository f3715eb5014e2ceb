/* Fuzzes a whole server connection: bytes through a real socket, in segments, with limits that are met at once and a
 * client that reads now and then. However the bytes are cut, the same requests must come out; nothing may be asserted,
 * leaked or left over. The input's first byte seeds the cuts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "http/server/server_core.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { LOG_BYTES = 1 << 16, TURNS_MAX = 2000 };

typedef struct fuzzed {
    uv_loop_t loop;
    http_server *server;
    char log[LOG_BYTES]; /* the requests, as text */
    size_t len;
    http_exchange *held; /* answered in a later turn */
    unsigned replies;    /* to choose how it is answered */
    bool is_moving;
} fuzzed;

static fuzzed f;

static void require(int is_so)
{
    if (!is_so) abort();
}

static void note(http_text text)
{
    require(text.data[text.len] == 0); /* terminated, as promised */
    if (f.len + text.len + 1 > LOG_BYTES) return;
    memcpy(f.log + f.len, text.data, text.len);
    f.log[f.len + text.len] = '\n';
    f.len += text.len + 1;
}

static void answer(http_exchange *x)
{
    const http_request *r = http_exchange_request(x);
    const char *echoed = http_request_header(r, "x");
    const http_reply_header headers[] = {{"X", echoed ? echoed : ""}}; /* what came in a header may go out in one */
    if (f.replies++ % 3 > 0) {
        http_reply(x, 200, headers, 1, (http_text){r->body.data, r->body.len});
        return;
    }
    http_reply_begin(x, 200, headers, 1);
    http_reply_write(x, r->target.data, r->target.len);
    http_reply_write(x, r->body.data, r->body.len);
    http_reply_end(x);
}

static void on_gone(http_exchange *x)
{
    require(x == f.held);
    f.held = NULL;
    http_reply_abort(x);
}

static void move(http_exchange *x)
{
    http_moving m;
    require(http_exchange_detach(x, &m));
    f.is_moving = true;
    (void)http_server_adopt(f.server, &m);
    f.is_moving = false;
    free(m.unsent);
    free(m.bytes);
}

static void on_request(void *arg, http_exchange *x)
{
    const http_request *r = http_exchange_request(x);
    bool was_moved = f.is_moving;
    (void)arg;
    f.is_moving = false;
    if (!was_moved && r->path.data[r->path.len - 1] == 'm') {
        move(x);
        return;
    }
    note(r->method);
    note(r->target);
    note(r->path);
    note(r->query);
    note(r->body);
    for (size_t i = 0; i < r->header_count; i++) require(r->headers[i].name.data[r->headers[i].name.len] == 0);
    if (f.held || r->path.data[r->path.len - 1] != 'h') {
        answer(x);
        return;
    }
    f.held = x;
    http_exchange_on_gone(x, on_gone);
}

static http_policy on_refusal(void *arg, http_text method, http_text path)
{
    static const http_reply_header header = {"Cache-Control", "no-store"};
    (void)arg;
    require(method.len < 1000 && path.len < 1000);
    for (size_t i = 0; i < path.len; i++) require(path.data[i] != '\n'); /* reads all of it */
    return (http_policy){&header, 1};
}

static void start(void)
{
    char error[256];
    const http_server_options options = {.head_bytes_max = 256,
                                         .headers_max = 6,
                                         .body_bytes_max = 4200, /* just over a power of two: memory doubles */
                                         .write_queue_bytes_max = 512,
                                         .on_request = on_request,
                                         .on_refusal = on_refusal};
    require(uv_loop_init(&f.loop) == 0);
    int fd = http_listen("127.0.0.1:0", error, sizeof error);
    require(fd >= 0);
    f.server = http_server_start(&f.loop, fd, &options, error, sizeof error);
    require(f.server != NULL);
}

static void turn(int client, bool reads)
{
    char bytes[4096];
    (void)uv_run(&f.loop, UV_RUN_NOWAIT);
    if (f.held) {
        http_exchange *x = f.held;
        f.held = NULL;
        http_exchange_on_gone(x, NULL);
        answer(x);
    }
    while (reads && recv(client, bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
}

static void run(const unsigned char *data, size_t size, bool cut, unsigned seed)
{
    int pair[2], small = 1;
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    if (cut) (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small); /* the kernel takes little */
    f.len = 0;
    f.replies = seed;
    require(http_server_adopt(f.server, &(http_moving){.fd = pair[0], .bytes = (char[]){0}, .len = 0}));
    for (size_t at = 0, turns = 0; at < size && turns < TURNS_MAX; turns++) {
        seed = seed * 1103515245u + 12345u;
        size_t n = cut ? 1 + (seed >> 16) % 97 : size;
        if (n > size - at) n = size - at;
        ssize_t sent = send(pair[1], data + at, n, MSG_NOSIGNAL);
        if (sent > 0) at += (size_t)sent;
        if (sent < 0 && errno != EAGAIN) break; /* it has been closed */
        turn(pair[1], !cut || (seed >> 24) % 3 > 0);
    }
    (void)shutdown(pair[1], SHUT_WR);
    for (int i = 0; i < TURNS_MAX && http_server_connections(f.server) > 0; i++) turn(pair[1], true);
    require(http_server_connections(f.server) == 0 && http_server_exchanges(f.server) == 0 && !f.held);
    close(pair[1]);
    (void)uv_run(&f.loop, UV_RUN_NOWAIT);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static char whole[LOG_BYTES];
    if (size < 2 || size > 12000) return 0;
    if (!f.server) start();
    run(data + 1, size - 1, false, data[0]);
    size_t len = f.len;
    memcpy(whole, f.log, len);
    for (unsigned i = 1; i <= 2; i++) {
        run(data + 1, size - 1, true, data[0] * 4u + i);
        require(f.len == len && memcmp(f.log, whole, len) == 0);
    }
    return 0;
}
