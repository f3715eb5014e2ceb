/* A loop that has ended before the others, or is about to: whoever hands it a connection, or wakes it, learns that, and
 * its client gets an answer, from this process or the next one. Whether a connection can be taken off its exchange goes
 * through a function of this test (the linker's --wrap). */
#include "runtime/clients/client_note.h"
#include "runtime/survive/control.h"
#include "tests/harness/turned.h"

enum { LONG_BODY = 70000 };

static int supervisor = -1; /* our end of the second loop's socket */
static enum { DETACH, DETACH_IN_DRAIN, FAIL_IN_DRAIN } detaching;

static void routes(sw_app *app) { (void)app; }

static sw_loop *loop(unsigned index) { return &turned_app->loops[index]; }

static bool turn(unsigned index)
{
    while (store_hand_reads(turned_app->store) > 0) store_hand_read(turned_app->store, 0);
    return uv_run(&loop(index)->uv, UV_RUN_NOWAIT) != 0;
}

bool __real_http_exchange_detach(http_exchange *x, http_moving *out);
bool __wrap_http_exchange_detach(http_exchange *x, http_moving *out);

/* Meanwhile the first loop has nothing to do and drains. */
bool __wrap_http_exchange_detach(http_exchange *x, http_moving *out)
{
    if (detaching == DETACH) return __real_http_exchange_detach(x, out);
    loop_drain(loop(0), LOOP_STOPPED);
    for (int i = 0; i < 5; i++) CHECK(turn(0));
    CHECK(loop(0)->home.draining && !loop(0)->stopping);
    return detaching == DETACH_IN_DRAIN && __real_http_exchange_detach(x, out);
}

/* ---- Two loops ---- */

static void open_both(void)
{
    turned_loops = 2;
    detaching = DETACH;
    turned_open(routes, NULL);
    for (int i = 0; i < 5; i++) CHECK(turn(0) && turn(1));
}

static void supervise_second(void)
{
    int fds[2];
    CHECK(control_pair(fds));
    supervisor = fds[0];
    keeper_init(&loop(1)->keeper, &loop(1)->home, fds[1], 1, 8);
    loop(1)->keeper.server = loop(1)->server;
}

static void end_first(loop_end end)
{
    loop_drain(loop(0), end);
    while (turn(0)) continue;
}

static void close_both(void)
{
    loop_drain(loop(1), LOOP_STOPPED);
    while (turn(1)) continue;
    if (supervisor >= 0) CHECK(close(supervisor) == 0 && close(loop(1)->keeper.control) == 0);
    supervisor = -1;
    by_hand_close(turned_app);
    memory_disk_free(turned_disk);
    turned_disk = NULL;
    turned_loops = 1;
}

/* Asks the second loop for a run that the first one would have. */
static int ask(void)
{
    const run_id id = {.bytes = {0}};
    CHECK_INT(run_id_loop(&id, 2), 0);
    return turned_send_to("GET", &id, "/output");
}

/* Returns the status of the reply that the second loop, or the first one, gives. */
static int reply(int fd, char text[TURNED_TEXT])
{
    int status = 0;
    text[0] = 0;
    while (turned_read(fd, text)) {
        CHECK(turn(1));
        if (!loop(0)->stopping) (void)turn(0);
    }
    close(fd);
    return sscanf(text, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

/* ---- Tests ---- */

static void test_asked(void)
{
    int fds[2];
    char byte;
    turned_open(routes, NULL);
    turned_drain();
    while (turned_turn()) continue;
    sw_loop *l = loop(0);
    loop_finish(l);
    CHECK(pipe(fds) == 0);
    loop_take_back(turned_app, 1, fds[1], "", 0);
    CHECK_INT(read(fds[0], &byte, 1), 0); /* it was closed */
    l->home.wake(&l->home);
    loop_free(l);
    turned_app->loop_count = 0; /* by_hand_close is to finish no loop */
    by_hand_close(turned_app);
    memory_disk_free(turned_disk);
    turned_disk = NULL;
    close(fds[0]);
}

static void check_told_when(int fd)
{
    char text[TURNED_TEXT];
    CHECK_INT(reply(fd, text), 503);
    CHECK(strstr(text, "\r\nRetry-After: 1\r\n") && strstr(text, "the server is stopping"));
}

/* No process follows: the client learns when to come again, also where a supervisor is there that stops, too. */
static void test_stopped(void)
{
    for (int supervised = 0; supervised < 2; supervised++) {
        open_both();
        if (supervised) supervise_second();
        end_first(LOOP_STOPPED);
        check_told_when(ask());
        CHECK_INT(loop(1)->home.counters.requests_refused, 1);
        CHECK_INT(loop(1)->keeper.kept, 0);
        close_both();
    }
}

/* Checks that the supervisor has got the request, and closes its copy of the connection. */
static void check_left(const char *start)
{
    static control_message m;
    kept_client client;
    arena a;
    while (control_receive(supervisor, &m) == CONTROL_AGAIN) CHECK(turn(1));
    CHECK_INT(m.head.kind, CONTROL_KEEP);
    CHECK(m.fd >= 0);
    msgpack_sbuffer all;
    msgpack_sbuffer_init(&all);
    CHECK(!msgpack_sbuffer_write(&all, (const char *)&m.head.len, sizeof m.head.len));
    CHECK(!msgpack_sbuffer_write(&all, m.data, m.head.len));
    arena_init(&a, NULL);
    CHECK(client_note_read(&a, all.data, all.size, &client));
    CHECK_INT(client.wish.kind, WAITER_NONE);
    CHECK(client.request.len > strlen(start) && memcmp(client.request.data, start, strlen(start)) == 0);
    arena_free(&a);
    msgpack_sbuffer_destroy(&all);
    CHECK(write(m.fd, "next", 4) == 4);
    close(m.fd);
}

/* Another process follows: it gets the request. */
static void test_followed(void)
{
    char text[TURNED_TEXT] = "";
    open_both();
    supervise_second();
    end_first(LOOP_FOLLOWED);
    int fd = ask();
    check_left("GET /_sw/runs/0000000000");
    while (turned_read(fd, text)) CHECK(turn(1));
    CHECK_STR(text, "next");
    close(fd);
    close_both();
}

/* What the supervisor is not asked to hold gets its answer here. */
static void test_too_long(void)
{
    static char body[LONG_BODY];
    char head[512], name[RUN_ID_TEXT + 1];
    const run_id id = {.bytes = {0}};
    open_both();
    supervise_second();
    end_first(LOOP_FOLLOWED);
    run_id_format(&id, name);
    int fd = turned_connect();
    int len = snprintf(head, sizeof head,
                       "POST /_sw/runs/%s/release HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"
                       "Authorization: Bearer " TURNED_ADMIN "\r\nContent-Length: %d\r\n\r\n",
                       name, LONG_BODY);
    CHECK_INT(write(fd, head, (size_t)len), len);
    CHECK_INT(write(fd, body, sizeof body), sizeof body);
    check_told_when(fd);
    CHECK_INT(loop(1)->keeper.kept, 0);
    close_both();
}

/* A loop that drains waits for a connection that is on its way. */
static void test_on_its_way(void)
{
    char text[TURNED_TEXT];
    open_both();
    detaching = DETACH_IN_DRAIN;
    CHECK_INT(reply(ask(), text), 303); /* as any client who asks while a loop drains */
    while (turn(0)) continue;
    close_both();
}

/* It ends, too, if the connection does not come after all. */
static void test_does_not_come(void)
{
    char text[TURNED_TEXT] = "";
    open_both();
    detaching = FAIL_IN_DRAIN;
    int fd = ask();
    while (turned_read(fd, text)) CHECK(turn(1));
    close(fd);
    CHECK(strncmp(text, "HTTP/1.1 503 ", 13) == 0 && strstr(text, "cannot be handed to the loop"));
    CHECK_INT(uv_run(&loop(0)->uv, UV_RUN_DEFAULT), 0);
    CHECK(!loop(0)->home.hurried); /* nor has it slept until the end of --drain */
    close_both();
}

static const check_case cases[] = {{"is asked by others", test_asked},
                                   {"its clients are told when to come again", test_stopped},
                                   {"its clients are left to the next process", test_followed},
                                   {"a client that nobody can hold is told when to come again", test_too_long},
                                   {"it waits for a connection that is on its way", test_on_its_way},
                                   {"it ends if that connection does not come", test_does_not_come}};
CHECK_MAIN(cases)
