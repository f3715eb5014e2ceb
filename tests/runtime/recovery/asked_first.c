/* A client asks for a run before recovery has come to it, and its journal cannot be read just then: the run is not
 * forgotten, it goes on when it can be read. */
#include "runtime/run/slot_core.h"
#include "tests/harness/turned.h"

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 200, "rested");
}

static void routes(sw_app *app) { sw_endpoint(app, "POST /nap", on_nap, NULL); }

static run_id leave_run(void)
{
    char text[TURNED_TEXT];
    turned_open(routes, NULL);
    int fd = turned_send("POST", "/nap", "");
    TURN_UNTIL(turned_only_slot());
    const run_id id = turned_only_slot()->id;
    CHECK_INT(turned_reply(fd, text), 303);
    turned_end();
    return id;
}

static void wait_for_read(size_t count)
{
    for (int i = 0; i < 10000 && store_hand_reads(turned_app->store) < count; i++) CHECK(turned_turn_unread());
    CHECK_INT(store_hand_reads(turned_app->store), count);
}

static void test_unreadable(void)
{
    char text[TURNED_TEXT];
    const run_id id = leave_run();
    turned_open(routes, NULL);
    wait_for_read(1); /* of letters: nothing is loaded before these are known */
    store_hand_read(turned_app->store, 0);
    wait_for_read(1); /* of live rows */
    int fd = turned_send_to("GET", &id, "/output");
    wait_for_read(2); /* and of the run */
    store_hand_read(turned_app->store, 0);
    while (!turned_home()->slots.recovered) CHECK(turned_turn_unread());
    memory_fail_reads(turned_disk, true);
    CHECK_INT(turned_reply(fd, text), 503);
    memory_fail_reads(turned_disk, false);
    const slot *s = slot_find(&turned_home()->slots, &id);
    CHECK(s);
    TURN_UNTIL(s->state == SLOT_PARKED); /* it has been loaded, and sleeps on */
    CHECK_INT(turned_home()->counters.runs_resumed, 1);
    turned_close();
}

static const check_case cases[] = {
    {"a run that could not be read when it was asked for goes on", test_unreadable},
};
CHECK_MAIN(cases)
