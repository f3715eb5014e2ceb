/* A store on the memory backend: writes that wait, reads that are slow, a clock moved by hand, the power that goes. */
#include "storage/memory/memory.h"
#include "tests/harness/store_desk.h"

static store_options on_disk(memory_disk *disk)
{
    store_options o = options_for("nothing-is-there");
    o.backend = memory_open(disk);
    CHECK(o.backend);
    return o;
}

static void test_held(void)
{
    desk d;
    memory_disk *disk = memory_disk_new();
    store_options o = on_disk(disk);
    o.queue_bytes_max = 100;
    open_desk(&d, &o);
    memory_stall_writes(disk, true);
    store_segment s = {.run = id_of(1, 1), .live = STORE_LIVE_SET, .retain_ms = -1, .data = "held", .len = 4};
    store_append(d.port, &s);
    while (memory_stalled(disk) == 0) usleep(1000);
    CHECK(store_busy(d.port, 0));
    CHECK_INT(d.committed + d.failed, 0);
    memory_stall_writes(disk, false);
    wait_for(&d, 1);
    CHECK_INT(d.committed, 1);
    CHECK(!store_busy(d.port, 0));
    CHECK(load(&d, id_of(1, 1)) && got.j.live);
    CHECK_STR(got.data, "held");
    close_desk(&d);
    memory_disk_free(disk);
}

/* A read under way does not hold up a commit. */
static void test_slow_reads(void)
{
    desk d;
    memory_disk *disk = memory_disk_new();
    store_options o = on_disk(disk);
    open_desk(&d, &o);
    put(&d, id_of(1, 1), 0, STORE_LIVE_SET, 0, "before");
    memory_stall_reads(disk, true);
    run_id id = id_of(1, 1);
    CHECK(store_load(d.port, &id, 1, on_loaded, NULL));
    put(&d, id_of(2, 2), 0, STORE_LIVE_SET, 0, "during");
    CHECK(!got.done);
    memory_stall_reads(disk, false);
    wait_done(&d);
    CHECK_STR(got.data, "before");
    memory_delay(disk, 20, 20);
    uint64_t began_ns = uv_hrtime();
    put(&d, id_of(3, 3), 0, STORE_LIVE_SET, 0, "slow");
    CHECK(load(&d, id_of(3, 3)));
    CHECK(uv_hrtime() - began_ns >= 40000000);
    memory_delay(disk, 0, 0);
    memory_fail_reads(disk, true);
    CHECK(store_load(d.port, &id, 1, on_loaded, NULL));
    wait_done(&d);
    CHECK(got.j.error && !got.j.found);
    memory_fail_reads(disk, false);
    CHECK(load(&d, id));
    close_desk(&d);
    memory_disk_free(disk);
}

/* The disk was opened anew, and could not be read then: opened once more, it still has the write. */
static void test_found_later(void)
{
    desk d;
    memory_disk *disk = memory_disk_new();
    store_options o = on_disk(disk);
    open_desk(&d, &o);
    memory_fail(disk, MEMORY_APPEARS, 0, false);
    memory_fail_reads(disk, true);
    store_segment s = {.run = id_of(1, 1), .live = STORE_LIVE_SET, .retain_ms = -1, .data = "there", .len = 5};
    store_append(d.port, &s);
    usleep(400000); /* time for the first try; if it comes later this proves less */
    memory_fail_reads(disk, false);
    wait_for(&d, 1);
    CHECK_INT(d.committed, 1);
    CHECK(load(&d, s.run));
    for (int i = 0; i < 10000 && memory_writes(disk) < 2; i++) usleep(1000); /* the probe comes behind that news */
    CHECK_INT(memory_writes(disk), 2); /* it and the probe: it was not written again */
    close_desk(&d);
    memory_disk_free(disk);
}

static size_t runs_kept(desk *d)
{
    CHECK(store_list(d->port, NULL, 64, on_ids, NULL));
    wait_done(d);
    return got.count;
}

static void test_clock(void)
{
    desk d;
    memory_disk *disk = memory_disk_new();
    const int64_t start = 1800000000000;
    memory_set_wall_ms(disk, start);
    store_options o = on_disk(disk);
    o.retain_ms = 60000;
    o.sweep_interval_ms = 10;
    open_desk(&d, &o);
    end_run(&d, id_of(start, 1), -1, true);
    memory_set_wall_ms(disk, start + 30000);
    end_run(&d, id_of(start + 30000, 2), -1, true);
    usleep(100000);
    CHECK_INT(runs_kept(&d), 2);
    memory_set_wall_ms(disk, start + 60001);
    while (runs_kept(&d) == 2) usleep(1000);
    CHECK(!load(&d, id_of(start, 1)) && load(&d, id_of(start + 30000, 2)));
    memory_set_wall_ms(disk, start + 90001);
    while (runs_kept(&d) == 1) usleep(1000);
    close_desk(&d);
    memory_disk_free(disk);
}

/* ---- Tables ---- */

static struct {
    char text[1024];
    bool end;
    const char *error;
} table;

static void on_table(void *arg, const store_table_row *rows, size_t count, bool end, const char *why)
{
    (void)arg;
    table.text[0] = 0;
    for (size_t i = 0; i < count; i++)
        snprintf(table.text + strlen(table.text), sizeof table.text - strlen(table.text), "%.*s=%.*s ",
                 (int)rows[i].key.len, (const char *)rows[i].key.data, (int)rows[i].value.len,
                 (const char *)rows[i].value.data);
    table.end = end;
    table.error = why;
    got.done = true;
}

static const char *scan(desk *d, const char *from, const char *to, size_t rows, size_t bytes)
{
    char a[8], b[8]; /* copied by the store */
    snprintf(a, sizeof a, "%s", from);
    snprintf(b, sizeof b, "%s", to);
    store_range range = {"inbox", {a, strlen(a)}, {b, strlen(b)}, rows, bytes};
    CHECK(store_scan(d->port, &range, on_table, NULL));
    memset(a, 'x', sizeof a);
    memset(b, 'x', sizeof b);
    memset(&range, 0, sizeof range);
    wait_done(d);
    return table.text;
}

static void test_tables(void)
{
    enum { ROWS = 26 };
    desk d;
    store_row rows[ROWS];
    char keys[ROWS];
    memory_disk *disk = memory_disk_new();
    store_options o = on_disk(disk);
    open_desk(&d, &o);
    CHECK_STR(scan(&d, "", "", 100, 0), "");
    for (int i = 0; i < ROWS; i++) {
        keys[i] = (char)('a' + i);
        rows[i] = (store_row){.next = i + 1 < ROWS ? &rows[i + 1] : NULL,
                              .op = STORE_ROW_PUT,
                              .table = "inbox",
                              .key = {&keys[i], 1},
                              .value = {"letter", i % 7}};
    }
    store_segment s = {.run = id_of(1, 1), .live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .rows = rows};
    append(&d, &s, 1);
    CHECK_STR(scan(&d, "x", "", 100, 0), "x=le y=let z=lett ");
    CHECK(table.end && !table.error);
    CHECK_STR(scan(&d, "a", "d", 100, 0), "a= b=l c=le ");
    CHECK_STR(scan(&d, "a", "d", 2, 0), "a= b=l ");
    CHECK(!table.end);
    CHECK_STR(scan(&d, "a", "", 100, 4), "a= b=l c=le ");
    CHECK(!table.end);
    CHECK_INT(strlen(scan(&d, "", "", 100, 0)), ROWS * 3 + 3 * 21 + 10);
    store_row taken = {.op = STORE_ROW_INSERT, .table = "inbox", .key = {"b", 1}, .value = {"other", 5}};
    s = (store_segment){.run = id_of(2, 2), .live = STORE_LIVE_SET, .retain_ms = -1, .data = "no", .len = 2};
    s.rows = &taken;
    append(&d, &s, 1);
    CHECK_INT(s.outcome, STORE_KEY_TAKEN);
    CHECK(s.error && !load(&d, s.run) && store_writable(d.port));
    memory_fail_reads(disk, true);
    CHECK_STR(scan(&d, "", "", 100, 0), "");
    CHECK(table.error);
    memory_fail_reads(disk, false);
    close_desk(&d);
    memory_disk_free(disk);
}

/* What was reported is there when the power is back. */
static void test_power(void)
{
    enum { ROUNDS = 20, RUNS = 10 };
    memory_disk *disk = memory_disk_new();
    for (unsigned round = 1; round <= ROUNDS; round++) {
        desk d;
        store_options o = on_disk(disk);
        open_desk(&d, &o);
        CHECK_INT(store_epoch(d.store), round);
        for (unsigned i = 0; i < (round - 1) * RUNS; i++) CHECK(load(&d, id_of(i, (uint8_t)i)));
        for (unsigned i = (round - 1) * RUNS; i < round * RUNS; i++)
            put(&d, id_of(i, (uint8_t)i), 0, STORE_LIVE_SET, 0, "reported");
        CHECK_INT(d.failed, 0);
        memory_power_off(disk);
        CHECK(!memory_powered(disk));
        close_desk(&d);
    }
    memory_disk_free(disk);
}

static const check_case cases[] = {{"a commit that waits", test_held},
                                   {"slow reads, and reads that fail", test_slow_reads},
                                   {"an appearing write is found later too", test_found_later},
                                   {"a clock moved by hand", test_clock},
                                   {"tables, and a key that is taken", test_tables},
                                   {"what was reported outlives the power", test_power}};

int main(int argc, char **argv)
{
    snprintf(root, sizeof root, "/nowhere");
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    CHECK(access(root, F_OK) != 0);
    return result;
}
