/* A commit of unknown outcome: nobody is told before it is known, and the journal takes no writes before. */
#include "storage/memory/memory.h"
#include "tests/harness/store_desk.h"

typedef struct sight {
    desk desk;
    memory_disk *disk;
    store_segment s;
} sight;

static void on_change(void *arg)
{
    desk *d = arg;
    d->changes++;
}

static void begin(sight *t)
{
    *t = (sight){.disk = memory_disk_new()};
    store_options o = options_for("nothing-is-there");
    o.backend = memory_open(t->disk);
    o.sweep_interval_ms = 100000000;
    open_desk(&t->desk, &o);
    store_port_on_change(t->desk.port, on_change);
    put(&t->desk, id_of(1, 1), 0, STORE_LIVE_SET, 0, "before");
}

static void end(sight *t)
{
    close_desk(&t->desk);
    memory_disk_free(t->disk);
}

static void turn_until_writable(desk *d, bool writable)
{
    while (store_writable(d->port) != writable) {
        uv_run(&d->loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

/* As long as the disk fails, the run of the failed write hears nothing, others are refused. */
static void fail_write(sight *t, memory_fault fault, bool lasts)
{
    memory_fail(t->disk, fault, 0, lasts);
    t->s = (store_segment){.run = id_of(2, 2), .live = STORE_LIVE_SET, .retain_ms = -1, .data = "once", .len = 4};
    store_append(t->desk.port, &t->s);
    turn_until_writable(&t->desk, false);
}

static void check_held(sight *t)
{
    size_t failed = t->desk.failed;
    put(&t->desk, id_of(3, 3), 0, STORE_LIVE_SET, 0, "refused");
    CHECK_INT(t->desk.failed, failed + 1);
    CHECK(strstr(t->desk.last_error, "at present"));
    usleep(700000); /* it is tried to open the database meanwhile */
    uv_run(&t->desk.loop, UV_RUN_NOWAIT);
    CHECK_INT(t->desk.committed, 1);
    CHECK(!store_writable(t->desk.port) && load(&t->desk, id_of(1, 1)));
}

static void check_done(sight *t)
{
    wait_for(&t->desk, t->desk.failed + 2);
    CHECK_INT(t->desk.committed, 2);
    CHECK(t->s.outcome == STORE_DONE && !t->s.error);
    turn_until_writable(&t->desk, true);
    while (t->desk.changes < 2) uv_run(&t->desk.loop, UV_RUN_ONCE);
    CHECK_INT(t->desk.changes, 2);
    CHECK(load(&t->desk, t->s.run) && got.j.live);
    CHECK_STR(got.data, "once");
}

static void test_appears(void)
{
    sight t;
    begin(&t);
    fail_write(&t, MEMORY_APPEARS, true);
    check_held(&t);
    uint64_t writes = memory_writes(t.disk);
    memory_fail(t.disk, MEMORY_GOOD, 0, false);
    check_done(&t);
    CHECK_INT(memory_writes(t.disk), writes + 1); /* the probe: the commit was not written a second time */
    end(&t);
}

static void test_lost(void)
{
    sight t;
    begin(&t);
    fail_write(&t, MEMORY_LOSES, true);
    check_held(&t);
    memory_fail(t.disk, MEMORY_GOOD, 0, false);
    check_done(&t);
    end(&t);
}

/* The disk takes everything but this commit: it is refused, and the journal goes on without it. */
static void test_refused(void)
{
    sight t;
    begin(&t);
    fail_write(&t, MEMORY_LOSES, true);
    memory_fail(t.disk, MEMORY_LOSES, 0, false); /* the second try, and nothing after it */
    wait_for(&t.desk, 2);
    CHECK_INT(t.desk.failed, 1);
    CHECK_INT(t.s.outcome, STORE_REFUSED);
    turn_until_writable(&t.desk, true);
    CHECK(!load(&t.desk, t.s.run));
    put(&t.desk, id_of(4, 4), 0, STORE_LIVE_SET, 0, "after");
    CHECK_INT(t.desk.failed, 1);
    end(&t);
}

/* A second try that fails, and then turns out to be there. */
static void test_second_appears(void)
{
    sight t;
    begin(&t);
    fail_write(&t, MEMORY_LOSES, true);
    memory_fail(t.disk, MEMORY_APPEARS, 0, false); /* the second try, and nothing after it */
    check_done(&t);
    end(&t);
}

static void test_given_up(void)
{
    sight t;
    begin(&t);
    fail_write(&t, MEMORY_APPEARS, true);
    store_give_up(t.desk.port);
    wait_for(&t.desk, 2);
    CHECK_INT(t.s.outcome, STORE_UNKNOWN);
    CHECK(t.s.error);
    close_desk(&t.desk);
    memory_fail(t.disk, MEMORY_GOOD, 0, false);
    store_options o = options_for("nothing-is-there");
    o.backend = memory_open(t.disk);
    open_desk(&t.desk, &o);
    CHECK(load(&t.desk, t.s.run)); /* the next start sees which it was */
    end(&t);
}

/* A refusal is known at once. */
static void test_known(void)
{
    sight t;
    begin(&t);
    memory_fail(t.disk, MEMORY_REFUSES, 0, true);
    put(&t.desk, id_of(2, 2), 0, STORE_LIVE_SET, 0, "refused");
    CHECK_INT(t.desk.failed, 1);
    CHECK(!store_writable(t.desk.port));
    memory_fail(t.disk, MEMORY_GOOD, 0, false);
    turn_until_writable(&t.desk, true);
    CHECK(!load(&t.desk, id_of(2, 2)));
    end(&t);
}

/* Two ports have segments in the failed commit, each gets its own. */
static void test_ports(void)
{
    sight t;
    begin(&t);
    desk other = {.store = t.desk.store};
    CHECK(uv_loop_init(&other.loop) == 0);
    other.port = store_port_open(other.store, &other.loop, on_committed, &other);
    memory_stall_writes(t.disk, true);
    store_segment first = {.run = id_of(5, 5), .live = STORE_LIVE_SET, .retain_ms = -1, .data = "first", .len = 5};
    store_append(t.desk.port, &first);
    while (memory_stalled(t.disk) == 0) usleep(1000);
    store_segment theirs[2];
    for (uint8_t i = 0; i < 2; i++)
        theirs[i] = (store_segment){.run = id_of(6, i), .live = STORE_LIVE_SET, .retain_ms = -1, .data = "x", .len = 1};
    theirs[0].next = &theirs[1];
    store_append(other.port, theirs);
    t.s = (store_segment){.run = id_of(2, 2), .live = STORE_LIVE_SET, .retain_ms = -1, .data = "once", .len = 4};
    store_append(t.desk.port, &t.s);
    memory_fail(t.disk, MEMORY_LOSES, 1, false);
    memory_stall_writes(t.disk, false);
    wait_for(&t.desk, 3);
    wait_for(&other, 2);
    CHECK(t.desk.failed == 0 && other.failed == 0);
    for (int i = 0; i < 2; i++) CHECK(load(&t.desk, theirs[i].run));
    CHECK(load(&t.desk, t.s.run));
    store_port_close(other.port, nothing, NULL);
    uv_run(&other.loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&other.loop) == 0);
    end(&t);
}

static const check_case cases[] = {{"it was there: it is told as done, and not written again", test_appears},
                                   {"it was lost: it is written again, then told", test_lost},
                                   {"it cannot be written: it is refused, and the journal goes on", test_refused},
                                   {"its second try fails, and was there", test_second_appears},
                                   {"the process ends before it is known", test_given_up},
                                   {"a refusal is told at once", test_known},
                                   {"each port gets its own back", test_ports}};

int main(int argc, char **argv)
{
    snprintf(root, sizeof root, "/nowhere");
    return check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
}
