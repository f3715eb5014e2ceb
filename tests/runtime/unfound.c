/* A process that drains before it has found the runs of the one before, which was killed: what is not known of their
 * ties to clients, it leaves to the next one as it was. */
#include "runtime/ties.h"
#include "tests/turned.h"

static char folder[] = "/tmp/stepwell-test-XXXXXX";

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 200, "rested");
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /nap", on_nap, &(sw_endpoint_options){.on_disconnect = SW_CANCEL});
}

static ties *open_ties(void)
{
    ties *t = ties_open(folder);
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
    by_hand_close(turned_app);
    ties_close(t, true);
    t = open_ties();
    CHECK_INT(ties_former_end(t), FOLDER_ENDED);
    CHECK_INT(ties_find(t, &id), FORMER_UNKNOWN);
    ties_close(t, true);
    memory_disk_free(turned_disk);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {{"a drain at once", test_drained}};
    char path[64];
    CHECK(mkdtemp(folder));
    int result = check_run(cases, 1, argc, argv);
    snprintf(path, sizeof path, "%s/end", folder);
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
    return result;
}
