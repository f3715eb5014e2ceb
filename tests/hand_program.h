/* hand_program: a program of one loop that a test turns by hand, on a disk of memory, and clients of plain sockets on
 * the same thread: what happens, and in which order, is the test's to say. */
#ifndef TESTS_HAND_PROGRAM_H
#define TESTS_HAND_PROGRAM_H

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/by_hand.h"
#include "runtime/loop.h"
#include "storage/by_hand.h"
#include "storage/memory/memory.h"
#include "tests/check.h"

enum { HAND_REPLY_BYTES = 4096 };

static struct {
    sw_app *app;
    int port;
} hand;

/* Takes the app. `flag` NULL: none. */
static inline void hand_open(sw_app *app, memory_disk *disk, const char *flag, const char *value)
{
    char why[512], address[64], name[] = "hand";
    char *argv[] = {name, (char *)(uintptr_t)flag, (char *)(uintptr_t)value, NULL};
    int fd = http_listen("127.0.0.1:0", why, sizeof why);
    CHECK(fd >= 0 && http_listen_address(fd, address, sizeof address));
    hand.app = app;
    hand.port = atoi(strrchr(address, ':') + 1);
    const by_hand_options o = {.backend = memory_open(disk), .listeners = &fd, .loops = 1};
    CHECK(by_hand_open(app, flag ? 3 : 1, argv, &o, why, sizeof why));
}

static inline home *hand_home(void) { return &hand.app->loops[0].home; }

/* One turn of the loop, which reads nothing from the disk. False: the loop has ended. */
static inline bool hand_turn_unread(void)
{
    if (store_hand_write_due_ms(hand.app->store) == 0) store_hand_write(hand.app->store);
    return uv_run(&hand.app->loops[0].uv, UV_RUN_NOWAIT) != 0;
}

static inline bool hand_turn(void)
{
    while (store_hand_reads(hand.app->store) > 0) store_hand_read(hand.app->store, 0);
    return hand_turn_unread();
}

static inline void hand_close(void)
{
    loop_drain(&hand.app->loops[0], LOOP_STOPPED);
    while (hand_turn()) continue;
    by_hand_close(hand.app);
}

/* A client that asks for a run's URL: its request is on its way when this returns. */
static inline int hand_ask(const char *method, const run_id *id, const char *what)
{
    char name[RUN_ID_TEXT + 1], token[TOKEN_TEXT_MAX], request[512];
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)hand.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    run_id_format(id, name);
    token_make(&hand.app->key, id, clock_wall_ms() + 1000000, token);
    int len = snprintf(request, sizeof request,
                       "%s /_sw/runs/%s%s?token=%s HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", method, name,
                       what, token);
    CHECK_INT(write(fd, request, (size_t)len), len);
    return fd;
}

/* All that comes until the server closes. */
static inline void hand_read(int fd, char reply[HAND_REPLY_BYTES])
{
    size_t len = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        CHECK(hand_turn());
        if (poll(&p, 1, 0) == 0) continue;
        ssize_t n = read(fd, reply + len, HAND_REPLY_BYTES - 1 - len);
        CHECK(n >= 0);
        if (n == 0) break;
        len += (size_t)n;
    }
    reply[len] = 0;
    close(fd);
}

#endif
