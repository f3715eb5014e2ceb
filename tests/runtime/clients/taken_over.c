/* First requests behind a proxy, which a former worker had: whatever keeps the next one from their runs, they are sent
 * on before the proxy gives them up. */
#include "http/server/position.h"
#include "runtime/clients/client_note.h"
#include "tests/harness/turned.h"

enum { WAITED_MS = 46000, LATE_MS = 60000 };

static bool may_go;

static sw_value held(sw_ctx *c, sw_value v)
{
    while (!may_go) sw_sleep(c, "poll", 1);
    return v;
}

static void on_held(sw_ctx *c)
{
    (void)sw_step(c, "held", held, sw_nil());
    (void)sw_step(c, "held again", held, sw_nil());
    sw_reply_text(c, 200, "done");
}

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 200, "rested");
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /nap", on_nap, NULL);
    sw_endpoint(app, "POST /held", on_held, NULL);
    sw_endpoint(app, "POST /tied", on_nap, &(sw_endpoint_options){.on_disconnect = SW_CANCEL});
}

/* On disk, of a process that has ended. */
static run_id leave_run(const char *path)
{
    char text[TURNED_TEXT] = "";
    may_go = false;
    turned_open(routes, NULL);
    int fd = turned_send("POST", path, "");
    TURN_UNTIL(turned_only_slot() && (!turned_only_slot()->run || run_is_durable(turned_only_slot()->run)));
    run_id id = turned_only_slot()->id;
    turned_drain();
    TURN_UNTIL(turned_home()->draining);
    may_go = true;
    while (turned_turn()) continue;
    by_hand_close(turned_app);
    while (turned_read(fd, text)) continue;
    CHECK(strncmp(text, "HTTP/1.1 303 ", 13) == 0);
    close(fd);
    may_go = false;
    return id;
}

/* A connection of which `served` is this server's end; returns the client's. */
static int connect_to_self(int *served)
{
    char why[256], address[64];
    int listening = http_listen("127.0.0.1:0", why, sizeof why), fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(listening >= 0 && fd >= 0 && http_listen_address(listening, address, sizeof address));
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    struct pollfd p = {.fd = listening, .events = POLLIN};
    CHECK(poll(&p, 1, -1) == 1);
    *served = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(*served >= 0);
    close(listening);
    return fd;
}

/* It began the run `waited_ms` ago. Returns its descriptor. */
static int take_over(const run_id *id, int64_t waited_ms)
{
    static const char request[] = "POST /nap HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 0\r\n"
                                  "X-Forwarded-For: 192.0.2.1\r\n\r\n";
    msgpack_sbuffer text, all;
    int served, fd = connect_to_self(&served);
    kept_client client = {.run = *id,
                          .wish = {WAITER_REQUEST, .since_ms = clock_steady_ms() - waited_ms},
                          .request = {request, sizeof request - 1}};
    msgpack_sbuffer_init(&text);
    msgpack_sbuffer_init(&all);
    CHECK(position_get(served, &client.position) && client_note_write(&text, &client));
    uint32_t len = (uint32_t)text.size;
    CHECK(!msgpack_sbuffer_write(&all, (const char *)&len, sizeof len));
    CHECK(!msgpack_sbuffer_write(&all, text.data, text.size));
    loop_take_back(turned_app, 1, served, all.data, all.size);
    msgpack_sbuffer_destroy(&text);
    msgpack_sbuffer_destroy(&all);
    return fd;
}

/* The live table cannot be read yet. */
static void test_slow(void)
{
    static const char *const paths[] = {"/nap", "/tied"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char text[TURNED_TEXT];
        run_id id = leave_run(paths[i]);
        memory_fail_reads(turned_disk, true);
        turned_open(routes, NULL);
        int early = take_over(&id, WAITED_MS), late = take_over(&id, LATE_MS);
        CHECK_INT(turned_reply(late, text), 303);
        CHECK(!turned_only_slot()->is_known_here);
        CHECK_INT(turned_reply(early, text),
                  303); /* now that one was sent on, it need not be known whether it is tied */
        memory_fail_reads(turned_disk, false);
        turned_close();
    }
}

/* The time to send it on comes before it is known whether the run is tied. */
static void test_found(void)
{
    char text[TURNED_TEXT];
    run_id id = leave_run("/held");
    memory_fail_reads(turned_disk, true);
    turned_open(routes, NULL);
    int fd = take_over(&id, WAITED_MS);
    TURN_UNTIL(turned_only_slot() && turned_only_slot()->waiters);
    for (int64_t begun_ms = clock_steady_ms(); clock_steady_ms() < begun_ms + 50;)
        CHECK(turned_turn()); /* it is over */
    memory_fail_reads(turned_disk, false);
    CHECK_INT(turned_reply(fd, text), 303);
    CHECK(turned_only_slot()->run && turned_only_slot()->tie == TIE_NONE);
    may_go = true;
    TURN_UNTIL(!turned_only_slot());
    turned_close();
}

/* Once it is known that the run is tied to its clients, they are held. */
static void test_tied(void)
{
    char text[TURNED_TEXT] = "";
    run_id id = leave_run("/tied");
    memory_fail_reads(turned_disk, true);
    turned_open(routes, (const char *const[]){"--redirect-after", "2h", NULL});
    int fd = take_over(&id, WAITED_MS);
    TURN_UNTIL(turned_only_slot() && turned_only_slot()->waiters);
    memory_fail_reads(turned_disk, false);
    TURN_UNTIL(turned_only_slot()->is_known_here);
    turned_often();
    CHECK(turned_read(fd, text));
    CHECK_STR(text, "");
    CHECK_INT(turned_only_slot()->tie, TIE_CLIENTS);
    close(fd);
    TURN_UNTIL(turned_home()->counters.runs_cancelled == 1);
    turned_close();
}

/* The journal takes no writes, and nobody knows for how long. */
static void test_closed(void)
{
    char text[TURNED_TEXT];
    run_id id = leave_run("/nap");
    turned_open(routes, NULL); /* reads the settings: else nothing new would begin, nor be written */
    memory_fail_reads(turned_disk, true);
    int fd = take_over(&id, 0);
    TURN_UNTIL(turned_only_slot() && turned_only_slot()->waiters);
    memory_fail(turned_disk, MEMORY_REFUSES, 0, true);
    (void)turned_send("POST", "/nap", "");
    TURN_UNTIL(!gate_writable(turned_home()));
    memory_fail_reads(turned_disk, false);
    CHECK_INT(turned_reply(fd, text), 303);
    slot *s = slot_find(&turned_home()->slots, &id);
    CHECK(s && s->state == SLOT_GATED && !s->is_known_here);
    memory_fail(turned_disk, MEMORY_GOOD, 0, false);
    turned_close();
}

static const check_case cases[] = {{"runs are not found yet", test_slow},
                                   {"the run is found a moment later", test_found},
                                   {"the run is tied", test_tied},
                                   {"the journal takes no writes", test_closed}};
CHECK_MAIN(cases)
