/* Who asks for a run before the loop has found it at its start gets the same answer as later. */
#include "tests/harness/store_desk.h"
#include "tests/harness/turned.h"

static void never(sw_ctx *c)
{
    (void)c;
    CHECK(!"a run that cannot be read goes on");
}

/* A run in the live table whose journal is none. */
static run_id leave_damaged(void)
{
    desk d;
    run_id id = id_of(1, 1);
    store_options o = options_for("no folder");
    o.backend = memory_open(turned_disk);
    o.by_hand = true;
    open_desk(&d, &o);
    store_segment s = {.run = id, .live = STORE_LIVE_SET, .retain_ms = -1, .data = "no entry", .len = 8};
    store_append(d.port, &s);
    store_hand_write(d.store);
    while (d.committed == 0) (void)uv_run(&d.loop, UV_RUN_NOWAIT);
    close_desk(&d);
    return id;
}

static void routes(sw_app *app) { sw_endpoint(app, "POST /never", never, NULL); }

static void test_cancel(void)
{
    char reply[TURNED_TEXT];
    turned_disk = memory_disk_new();
    CHECK(turned_disk);
    run_id id = leave_damaged();
    turned_open(routes, NULL);
    while (store_hand_reads(turned_app->store) == 0) CHECK(turned_turn_unread());
    int fd = turned_send_to("DELETE", &id, "");
    while (TAILQ_EMPTY(&turned_home()->slots.asked)) CHECK(turned_turn_unread());
    store_hand_read(turned_app->store, 0); /* the letters: nothing is loaded before */
    while (store_hand_reads(turned_app->store) < 2) CHECK(turned_turn_unread());
    store_hand_read(turned_app->store, 1); /* the run, for this client, before the rows that would show it */
    turned_reply(fd, reply);
    printf("# %.*s\n", (int)strcspn(reply, "\r"), reply);
    CHECK(strstr(reply, "HTTP/1.1 202 ") == reply);
    CHECK(strstr(reply, "\"status\":\"cancelling\""));
    turned_reply(turned_send_to("DELETE", &id, ""), reply);
    CHECK(strstr(reply, "HTTP/1.1 202 ") == reply);
    turned_close();
}

static const check_case cases[] = {{"a run that cannot be read is cancelled before it is found", test_cancel}};
CHECK_MAIN(cases)
