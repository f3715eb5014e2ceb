/* Clients that go a moment before they are sent on: whether the kernel has told of it, can tell, or finds out when the
 * URL does not arrive, their runs end (SW_CANCEL). Those who have only sent their last byte are sent on. */
#include "runtime/run/slot.h"
#include "runtime/run/ties.h"
#include "tests/harness/turned.h"

static char folder[] = "/tmp/stepwell-test-XXXXXX";
static bool may_go;

static sw_value held(sw_ctx *c, sw_value v)
{
    while (!may_go) sw_sleep(c, "poll", 1);
    return v;
}

static void on_held(sw_ctx *c)
{
    (void)sw_step(c, "held", held, sw_nil());
    sw_sleep(c, "nap", 3600000); /* longer than --redirect-after */
    sw_reply_text(c, 200, "rested");
}

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 200, "rested");
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /free", on_nap, NULL);
    sw_endpoint(app, "POST /tied", on_nap, &(sw_endpoint_options){.on_disconnect = SW_CANCEL});
    sw_endpoint(app, "POST /held", on_held, &(sw_endpoint_options){.on_disconnect = SW_CANCEL});
}

static ties *open_ties(void)
{
    ties *t = ties_open(folder, 10000, true);
    CHECK(t);
    return t;
}

/* ---- Ways to go ---- */

static void close_it(int fd) { close(fd); }

static void reset_it(int fd)
{
    const struct linger reset = {.l_onoff = 1};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0 && close(fd) == 0);
}

static int half_closed; /* the descriptor of the one that reads on */

static void half_close(int fd)
{
    CHECK(shutdown(fd, SHUT_WR) == 0);
    half_closed = fd;
}

typedef struct going {
    void (*first)(int fd); /* while its run is at work; NULL: nothing */
    void (*then)(int fd);  /* when the URL is about to be sent */
    bool is_gone;
} going;

static const going ways[] = {{NULL, close_it, true},
                             {NULL, reset_it, true},
                             {half_close, close_it, true}, /* its kernel has nothing more to say before it is asked */
                             {NULL, half_close, false}};

/* Reads what has come: closing with something unread resets a connection. */
static void read_interim(int fd)
{
    char text[TURNED_TEXT] = "";
    while (!strstr(text, "HTTP/1.1 100 ")) {
        CHECK(turned_read(fd, text));
        CHECK(turned_turn());
    }
}

/* The run of a client that goes in this way just before what is written in the next turn sends it on. */
static run_id begin(const going *way, int *fd)
{
    may_go = false;
    turned_open(routes, (const char *const[]){"--redirect-after", "1s", "--park-after", "2h", NULL});
    turned_app->ties = open_ties();
    *fd = turned_send("POST", "/held", "");
    TURN_UNTIL(turned_only_slot() && turned_only_slot()->run && run_is_durable(turned_only_slot()->run));
    if (way->first) way->first(*fd);
    if (way->first) read_interim(*fd);
    return turned_only_slot()->id;
}

/* How many runs were cancelled. */
static uint64_t end_program(void)
{
    uint64_t cancelled = 0;
    while (turned_turn()) cancelled = turned_home()->counters.runs_cancelled;
    by_hand_close(turned_app); /* and the ties */
    return cancelled;
}

static void expect_sent_on(void)
{
    char text[TURNED_TEXT];
    CHECK_INT(turned_reply(half_closed, text), 100);
    CHECK(strstr(text, "HTTP/1.1 303 "));
}

/* Its wait is long: once that is on disk the client is sent on. */
static void test_long_wait(void)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        int fd;
        begin(&ways[i], &fd);
        run *r = turned_only_slot()->run;
        turned_writes = false;
        may_go = true;
        while (!r->waits_long || r->seq_sealed < r->seq_wait) {
            CHECK(turned_turn());
            if (r->seq_sealed < r->seq_wait) store_hand_write(turned_app->store);
        }
        store_hand_write(turned_app->store);
        ways[i].then(fd);
        turned_writes = true;
        if (!ways[i].is_gone) expect_sent_on();
        if (ways[i].is_gone) TURN_UNTIL(turned_home()->counters.runs_cancelled == 1);
        turned_often();
        CHECK_INT(turned_home()->counters.runs_cancelled, ways[i].is_gone);
        turned_drain();
        (void)end_program();
        memory_disk_free(turned_disk);
        turned_disk = NULL;
    }
}

/* The process drains: it cancels the run if it finds out in time, else the next one does. */
static void test_drain(void)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        int fd;
        run_id id = begin(&ways[i], &fd);
        run *r = turned_only_slot()->run;
        turned_drain();
        TURN_UNTIL(turned_home()->draining);
        turned_writes = false;
        may_go = true;
        TURN_UNTIL(r->state == RUN_LEAVING && r->seq_sealed == r->seq_next);
        store_hand_write(turned_app->store);
        ways[i].then(fd);
        turned_writes = true;
        if (!ways[i].is_gone) expect_sent_on();
        bool ended = end_program() == 1;
        ties *t = open_ties();
        CHECK_INT(ties_former_end(t), FOLDER_ENDED);
        CHECK_INT(ended || ties_find(t, &id) == FORMER_AWAITED, ways[i].is_gone);
        ties_close(t, true);
        memory_disk_free(turned_disk);
        turned_disk = NULL;
    }
}

/* Its run is of a former process and has not been loaded, so nobody knows its endpoint: the run of one without
 * SW_CANCEL goes on. */
static void test_former(void)
{
    static const char *const paths[] = {"/free", "/tied"};
    for (size_t i = 0; i < 2; i++) {
        char text[TURNED_TEXT];
        turned_open(routes, NULL);
        turned_app->ties = open_ties();
        int fd = turned_send("POST", paths[i], "");
        CHECK_INT(turned_reply(fd, text), 303);
        turned_end();
        turned_open(routes, NULL);
        turned_app->ties = open_ties();
        TURN_UNTIL(turned_only_slot() && turned_only_slot()->state == SLOT_PARKED);
        const run_id id = turned_only_slot()->id;
        CHECK(!turned_only_slot()->is_known_here);
        (void)slot_client_sent_on(turned_home(), &id, false); /* it came from the process before */
        slot_client_missed(turned_home(), &id);
        slot_wake(turned_home(), turned_only_slot()); /* as if it were due */
        if (i == 1) TURN_UNTIL(turned_home()->counters.runs_cancelled == 1);
        if (i == 0) TURN_UNTIL(turned_home()->counters.runs_resumed == 1);
        turned_often();
        CHECK_INT(turned_home()->counters.runs_cancelled, i);
        turned_close();
    }
}

/* Nor does one that is in memory end, whoever says that its client was missed. */
static void test_free(void)
{
    char text[TURNED_TEXT];
    turned_open(routes, NULL);
    int fd = turned_send("POST", "/free", "");
    CHECK_INT(turned_reply(fd, text), 303);
    const run_id id = turned_only_slot()->id;
    slot_client_missed(turned_home(), &id);
    turned_often();
    CHECK_INT(turned_home()->counters.runs_cancelled, 0);
    turned_close();
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {{"before a long wait", test_long_wait},
                                       {"before a drain", test_drain},
                                       {"of a run that is not loaded", test_former},
                                       {"of a run that is not tied", test_free}};
    char path[64];
    CHECK(mkdtemp(folder));
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    snprintf(path, sizeof path, "%s/end", folder);
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
    return result;
}
