/* Outages: the store says when it takes no writes and when it does again, reads go on meanwhile, also during a backup.
 */
#include "tests/harness/disk_faults.h"
#include "tests/harness/store_desk.h"

static disk_state state;

static void on_change(void *arg)
{
    desk *d = arg;
    d->changes++;
}

static void turn_until_writable(desk *d, bool writable)
{
    while (store_writable(d->port) != writable) {
        uv_run(&d->loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

/* A segment whose write fails, and whose outcome is not known then. */
static void append_failing(desk *d, store_segment *s, run_id id)
{
    *s = (store_segment){.run = id, .live = STORE_LIVE_SET, .retain_ms = -1, .data = "fails", .len = 5};
    store_append(d->port, s);
    turn_until_writable(d, false);
}

/* The port is told of both changes. Meanwhile reads go on, writes are refused, and of the one that failed nobody says
 * anything before it is known. The second outage begins after some commits and lasts no longer for each of them. */
static void test_told(void)
{
    desk d;
    store_options o = options_for("told");
    open_desk(&d, &o);
    store_port_on_change(d.port, on_change);
    put(&d, id_of(1, 1), 0, STORE_LIVE_SET, 0, "before");
    CHECK(store_writable(d.port) && d.changes == 0);
    for (size_t round = 1; round <= 2; round++) {
        store_segment failing;
        size_t committed = d.committed;
        disk_set(&state, round == 1 ? DISK_SYNC_FAILS : DISK_FULL);
        append_failing(&d, &failing, id_of(2, (uint8_t)round));
        while (d.changes < round * 2 - 1) uv_run(&d.loop, UV_RUN_ONCE);
        CHECK(load(&d, id_of(1, 1)));
        put(&d, id_of(4, (uint8_t)round), 0, STORE_LIVE_SET, 0, "refused");
        CHECK_INT(d.failed, round);
        CHECK_INT(d.committed, committed);
        disk_set(&state, DISK_GOOD);
        while (d.changes < round * 2) uv_run(&d.loop, UV_RUN_ONCE);
        CHECK(store_writable(d.port));
        CHECK_INT(d.committed, committed + 1);
        CHECK(failing.outcome == STORE_DONE && !failing.error);
        for (uint8_t i = 0; i < 12; i++) put(&d, id_of(3, (uint8_t)round), i, STORE_LIVE_SET, 0, "after");
        CHECK_INT(d.failed, round);
        CHECK(load(&d, failing.run) && got.j.live);
        CHECK_STR(got.data, "fails");
        CHECK(!load(&d, id_of(4, (uint8_t)round)));
    }
    close_desk(&d);
}

static bool backed_up;

static void on_backup(void *arg, store_backup_result result, uint64_t bytes, const char *why)
{
    (void)arg, (void)bytes;
    if (result != STORE_BACKUP_DONE) printf("# %s\n", why);
    backed_up = true;
}

/* To open the database anew all readers must be out, and a backup is one: nobody waits for it. */
static void test_during_backup(void)
{
    char copy[128];
    desk d;
    store_options o = options_for("backed-up");
    snprintf(copy, sizeof copy, "%s/copy", root);
    open_desk(&d, &o);
    put(&d, id_of(1, 1), 0, STORE_LIVE_SET, 0, "before");
    __atomic_store_n(&state.links_hang, true, __ATOMIC_SEQ_CST);
    CHECK(store_backup(d.port, copy, on_backup, NULL));
    while (!__atomic_load_n(&state.linking, __ATOMIC_SEQ_CST)) usleep(1000);
    disk_set(&state, DISK_SYNC_FAILS);
    store_segment failing;
    append_failing(&d, &failing, id_of(2, 2));
    disk_set(&state, DISK_GOOD);
    usleep(1000000); /* the journal thread has tried to open the database anew */
    for (int i = 0; i < 20; i++) CHECK(load(&d, id_of(1, 1)));
    CHECK(!backed_up);
    put(&d, id_of(3, 3), 0, STORE_LIVE_SET, 0, "refused at once");
    CHECK_INT(d.failed, 1);
    CHECK_INT(d.committed, 1);
    __atomic_store_n(&state.links_hang, false, __ATOMIC_SEQ_CST);
    while (!backed_up) uv_run(&d.loop, UV_RUN_ONCE);
    turn_until_writable(&d, true);
    wait_for(&d, 3);
    put(&d, id_of(4, 4), 0, STORE_LIVE_SET, 0, "after");
    CHECK_INT(d.failed, 1);
    CHECK_INT(d.committed, 3);
    CHECK(load(&d, failing.run));
    close_desk(&d);
}

/* The log becomes a table when the store is opened, and that is what exceeds the quota: nothing is damaged. */
static void test_quota(void)
{
    desk d;
    store_options o = options_for("quota");
    open_desk(&d, &o);
    put(&d, id_of(1, 1), 0, STORE_LIVE_SET, 0, "before");
    close_desk(&d);
    unsigned failed = disk_failed(&state);
    disk_set(&state, DISK_QUOTA);
    open_desk(&d, &o);
    CHECK(disk_failed(&state) > failed && !store_writable(d.port));
    CHECK(load(&d, id_of(1, 1)));
    while (disk_failed(&state) == failed + 1) usleep(1000); /* it is tried again */
    CHECK(load(&d, id_of(1, 1)));
    disk_set(&state, DISK_GOOD);
    turn_until_writable(&d, true);
    CHECK(load(&d, id_of(1, 1)));
    close_desk(&d);
}

static const check_case cases[] = {{"ports are told when writes fail and when they do not", test_told},
                                   {"reads go on when a commit fails during a backup", test_during_backup},
                                   {"a quota that is exceeded while it is opened", test_quota}};

int main(int argc, char **argv)
{
    disk = &state;
    snprintf(root, sizeof root, "/tmp/stepwell-outage-XXXXXX");
    CHECK(mkdtemp(root));
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    CHECK_INT(system(command), 0);
    return result;
}
