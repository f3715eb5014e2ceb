/* What a process leaves to the next one of runs that end with their clients, when it drains before it has found those
 * of the one before, or is killed after the journal failed. */
#include "runtime/ties.h"
#include "tests/turned.h"

static char folder[] = "/tmp/stepwell-test-XXXXXX";

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 200, "rested");
}

static sw_value quick(sw_ctx *c, sw_value v)
{
    sw_sleep(c, "pace", 1);
    return v;
}

static void on_steps(sw_ctx *c)
{
    for (int i = 0; i < 1000; i++) (void)sw_step(c, "quick", quick, sw_nil());
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /steps", on_steps, &(sw_endpoint_options){.on_disconnect = SW_CANCEL});
    sw_endpoint(app, "POST /nap", on_nap, &(sw_endpoint_options){.on_disconnect = SW_CANCEL});
}

static ties *open_ties(void)
{
    ties *t = ties_open(folder, true);
    CHECK(t);
    return t;
}

static slot *only_slot(void)
{
    const slot_table *t = &turned_home()->slots;
    slot *s = NULL;
    for (size_t i = 0; i < t->bucket_count && !s; i++) s = t->buckets[i];
    return s;
}

/* On disk, with a row in the live table. */
static run_id leave_run(void)
{
    char text[TURNED_TEXT];
    turned_open(routes, NULL);
    int fd = turned_send("POST", "/nap", "");
    TURN_UNTIL(only_slot());
    run_id id = only_slot()->id;
    CHECK_INT(turned_reply(fd, text), 303);
    turned_end();
    return id;
}

static void test_drained(void)
{
    ties_close(open_ties(), false); /* as if it were killed while it serves: the run is its own */
    run_id id = leave_run();
    /* A wait that is longer than that would show that the client was sent on. */
    turned_open(routes, (const char *const[]){"--redirect-after", "2h", NULL});
    ties *t = turned_app->ties = open_ties();
    CHECK_INT(ties_find(t, &id), FORMER_UNKNOWN);
    turned_drain();
    while (turned_turn()) continue;
    by_hand_close(turned_app); /* and the ties */
    t = open_ties();
    CHECK_INT(ties_former_end(t), FOLDER_IN_USE); /* a list without the run would untie it */
    CHECK_INT(ties_find(t, &id), FORMER_UNKNOWN);
    ties_close(t, true);
    memory_disk_free(turned_disk);
    turned_disk = NULL;
}

/* The live table cannot be read: it does not wait for that, and unties nothing. */
static void test_unreadable(void)
{
    ties_close(open_ties(), true);
    ties_close(open_ties(), false);
    run_id id = leave_run();
    memory_fail_reads(turned_disk, true);
    turned_open(routes, (const char *const[]){"--redirect-after", "2h", NULL});
    ties *t = turned_app->ties = open_ties();
    turned_often();
    CHECK(!turned_home()->slots.recovered);
    turned_drain();
    while (turned_turn()) continue;
    by_hand_close(turned_app); /* and the ties */
    memory_fail_reads(turned_disk, false);
    t = open_ties();
    CHECK_INT(ties_find(t, &id), FORMER_UNKNOWN);
    ties_close(t, true);
    memory_disk_free(turned_disk);
    turned_disk = NULL;
}

/* An entry of the run is not on disk, so its client is sent on, for which the journal has no reason. */
static void test_failing(void)
{
    char text[TURNED_TEXT];
    ties_close(open_ties(), true);
    turned_open(routes, NULL);
    ties *t = turned_app->ties = open_ties();
    int fd = turned_send("POST", "/steps", "");
    TURN_UNTIL(only_slot());
    run_id id = only_slot()->id;
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    CHECK_INT(turned_reply(fd, text), 303);
    ties_close(t, false);
    turned_app->ties = NULL;
    t = open_ties();
    CHECK_INT(ties_former_end(t), FOLDER_IN_USE);
    CHECK_INT(ties_find(t, &id), FORMER_ALONE);
    ties_close(t, true);
    turned_close();
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {{"a drain at once", test_drained},
                                       {"a drain while nothing can be read", test_unreadable},
                                       {"killed after the journal failed", test_failing}};
    char path[64];
    CHECK(mkdtemp(folder));
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    snprintf(path, sizeof path, "%s/end", folder);
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
    return result;
}
