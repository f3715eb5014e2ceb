/* Outages: the store says when it takes no writes and when it does again, reads go on meanwhile, also during a backup.
 */
#include "tests/disk_faults.h"
#include "tests/store_desk.h"

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

/* The port is told of both changes, and is told before the segment that failed is back. */
static void test_told(void)
{
    desk d;
    store_options o = options_for("told");
    open_desk(&d, &o);
    store_port_on_change(d.port, on_change);
    put(&d, id_of(1, 1), 0, STORE_LIVE_SET, 0, "before");
    CHECK(store_writable(d.port) && d.changes == 0);
    for (int round = 1; round <= 2; round++) {
        state.fault = round == 1 ? DISK_SYNC_FAILS : DISK_FULL;
        put(&d, id_of(2, (uint8_t)round), 0, STORE_LIVE_SET, 0, "fails");
        CHECK_INT(d.failed, round);
        CHECK(!store_writable(d.port));
        while (d.changes < (size_t)round * 2 - 1) uv_run(&d.loop, UV_RUN_ONCE);
        CHECK(load(&d, id_of(1, 1))); /* reads go on */
        state.fault = DISK_GOOD;
        while (d.changes < (size_t)round * 2) uv_run(&d.loop, UV_RUN_ONCE);
        CHECK(store_writable(d.port));
        put(&d, id_of(3, (uint8_t)round), 0, STORE_LIVE_SET, 0, "after");
        CHECK_INT(d.failed, round);
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
    state.links_hang = true;
    store_backup(d.port, copy, on_backup, NULL);
    while (!state.linking) usleep(1000);
    state.fault = DISK_SYNC_FAILS;
    put(&d, id_of(2, 2), 0, STORE_LIVE_SET, 0, "fails");
    CHECK_INT(d.failed, 1);
    state.fault = DISK_GOOD;
    usleep(1000000); /* the journal thread has tried to open the database anew */
    for (int i = 0; i < 20; i++) CHECK(load(&d, id_of(1, 1)));
    CHECK(!backed_up);
    put(&d, id_of(3, 3), 0, STORE_LIVE_SET, 0, "refused at once");
    CHECK_INT(d.failed, 2);
    state.links_hang = false;
    while (!backed_up) uv_run(&d.loop, UV_RUN_ONCE);
    turn_until_writable(&d, true);
    put(&d, id_of(4, 4), 0, STORE_LIVE_SET, 0, "after");
    CHECK_INT(d.failed, 2);
    close_desk(&d);
}

static const check_case cases[] = {{"ports are told when writes fail and when they do not", test_told},
                                   {"reads go on when a commit fails during a backup", test_during_backup}};

int main(int argc, char **argv)
{
    disk = &state;
    alarm(120); /* instead of waiting for ever */
    snprintf(root, sizeof root, "/tmp/stepwell-outage-XXXXXX");
    CHECK(mkdtemp(root));
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    CHECK_INT(system(command), 0);
    return result;
}
