/* http_hello: http_server with a callback that answers at once; measured beside floor_hello.
 * http_hello [PORT [later]]: 0 by default; "later" answers from an idle handle, as an owner that is not ready would. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "http/server/server.h"

enum { WAITING_MAX = 4096 };

static http_exchange *waiting[WAITING_MAX];
static size_t waiting_count;
static uv_idle_t idle;

static void answer(http_exchange *x)
{
    static const http_reply_header headers[] = {{"Content-Type", "text/plain"}};
    http_reply(x, 200, headers, 1, (http_text){"Hello, world!", 13});
}

static void on_idle(uv_idle_t *handle)
{
    for (size_t i = 0; i < waiting_count; i++) answer(waiting[i]);
    waiting_count = 0;
    if (uv_idle_stop(handle) != 0) abort();
}

static void on_request(void *later, http_exchange *x)
{
    if (!later || waiting_count == WAITING_MAX) {
        answer(x);
        return;
    }
    waiting[waiting_count++] = x;
    if (uv_idle_start(&idle, on_idle) != 0) abort();
}

int main(int argc, char **argv)
{
    char address[32], error[256];
    uv_loop_t *loop = uv_default_loop();
    http_server_options options = {.on_request = on_request, .arg = argc > 2 ? argv[2] : NULL};
    snprintf(address, sizeof(address), "127.0.0.1:%d", argc > 1 ? atoi(argv[1]) : 0);
    int fd = http_listen(address, error, sizeof(error));
    if (fd < 0 || !http_listen_address(fd, address, sizeof(address)) || uv_idle_init(loop, &idle) != 0 ||
        !http_server_start(loop, fd, &options, error, sizeof(error))) {
        fprintf(stderr, "http_hello: %s\n", error);
        return 1;
    }
    printf("%s\n", strrchr(address, ':') + 1);
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
