/* Two stores on one memory, as two nodes of a cluster have them open: each slot has one owner, both read what either
 * has written, and what fails, or dies, on one node is nothing to the other. */
#include "storage/memory/memory.h"
#include "tests/harness/store_desk.h"

enum { NODES = 2 };

static cluster pair[NODES];
static memory_disk *disk;
static desk desks[NODES];

static void pair_make(void)
{
    for (unsigned n = 0; n < NODES; n++) {
        pair[n] = (cluster){.has_others = true, .self = (uint8_t)n};
        for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot++) pair[n].owners[slot] = slot >= CLUSTER_SLOTS / NODES;
    }
}

static void open_node(unsigned n)
{
    store_options o = options_for("nothing-is-there");
    o.backend = memory_open_node(disk, &pair[n]);
    CHECK(o.backend);
    open_desk(&desks[n], &o);
}

static void open_pair(void)
{
    pair_make();
    disk = memory_disk_new();
    for (unsigned n = 0; n < NODES; n++) open_node(n);
}

static void close_pair(void)
{
    for (unsigned n = 0; n < NODES; n++) close_desk(&desks[n]);
    memory_disk_free(disk);
}

/* A run of that slot. */
static run_id run_of(uint8_t n, unsigned slot)
{
    run_id id = id_of(n, n);
    run_id_set_cluster_slot(&id, slot);
    return id;
}

static void test_owners(void)
{
    unsigned owned[NODES] = {0}, next = 0;
    pair_make();
    for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot++) {
        const run_id id = run_of(1, slot);
        unsigned owner = cluster_owner_of(&pair[0], &id);
        CHECK(owner < NODES);
        CHECK_INT(cluster_owner_of(&pair[1], &id), owner);
        CHECK(cluster_owns(&pair[owner], &id) && !cluster_owns(&pair[!owner], &id));
        CHECK(cluster_owns(&cluster_alone, &id));
        owned[owner]++;
    }
    CHECK(owned[0] == CLUSTER_SLOTS / NODES && owned[1] == owned[0]);
    for (unsigned nth = 0; nth < 300; nth++) {
        for (unsigned n = 0; n < NODES; n++) CHECK(cluster_owns_slot(&pair[n], cluster_own_slot(&pair[n], nth)));
        CHECK_INT(cluster_own_slot(&cluster_alone, nth), RUN_ID_SLOT_ALONE);
    }
    CHECK(cluster_own_slot(&pair[1], 0) != cluster_own_slot(&pair[1], 1));
    CHECK(cluster_next_slot(&pair[1], &next) && next == 128);
    next = 256;
    CHECK(!cluster_next_slot(&pair[1], &next));
    cluster stripes = {.has_others = true, .self = 1};
    for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot++) stripes.owners[slot] = slot % 4 == 1;
    unsigned count = 0;
    for (next = 0; cluster_next_slot(&stripes, &next); next++, count++) CHECK_INT(next % 4, 1);
    CHECK_INT(count, CLUSTER_SLOTS / 4);
}

static void scan_live(desk *d, const cluster *of)
{
    CHECK(store_scan_live(d->port, &(store_live_range){NULL, 64, 0, 1, of}, on_rows, NULL));
    wait_done(d);
    CHECK(got.end);
}

static void test_shared(void)
{
    const run_id low = run_of(1, 3), high = run_of(2, 200);
    open_pair();
    CHECK(strcmp(store_node(desks[0].store), store_node(desks[1].store)) != 0);
    CHECK(store_epoch(desks[0].store) != store_epoch(desks[1].store));
    CHECK(memcmp(store_secret(desks[0].store), store_secret(desks[1].store), STORE_SECRET_BYTES) == 0);
    put(&desks[0], low, 0, STORE_LIVE_SET, 5, "of the first node");
    put(&desks[1], high, 0, STORE_LIVE_SET, 6, "of the second node");
    for (unsigned n = 0; n < NODES; n++) {
        CHECK(load(&desks[n], low) && got.j.live);
        CHECK_STR(got.data, "of the first node");
        CHECK(load(&desks[n], high));
        scan_live(&desks[n], NULL);
        CHECK_INT(got.count, 2);
        scan_live(&desks[n], store_cluster(desks[n].store));
        CHECK_INT(got.count, 1);
        CHECK(run_id_equal(&got.rows[0].run, n == 0 ? &low : &high));
        CHECK(store_list(desks[n].port, NULL, 64, on_ids, NULL));
        wait_done(&desks[n]);
        CHECK_INT(got.count, 2);
    }
    close_pair();
}

static store_outcome insert(desk *d, uint8_t n, const char *value)
{
    const store_row row = {.op = STORE_ROW_INSERT, .table = "marks", .key = {"key", 3}, .value = {value, 1}};
    store_segment s = {.run = id_of(n, n), .live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .rows = &row};
    append(d, &s, 1);
    return s.outcome;
}

static void test_insert_counts_once(void)
{
    open_pair();
    CHECK_INT(insert(&desks[0], 1, "a"), STORE_DONE);
    CHECK_INT(insert(&desks[1], 2, "b"), STORE_KEY_TAKEN);
    close_pair();
}

static void fail_one(memory_fault fault, bool is_there)
{
    const run_id a = run_of(1, 3), b = run_of(2, 200);
    open_pair();
    memory_fail(disk, fault, 0, false);
    store_segment s = {.run = a, .live = STORE_LIVE_SET, .retain_ms = -1, .data = "unsure", .len = 6};
    store_append(desks[0].port, &s);
    while (store_takes_writes(desks[0].store) && desks[0].committed + desks[0].failed == 0)
        uv_run(&desks[0].loop, UV_RUN_NOWAIT);
    CHECK(store_takes_writes(desks[1].store));
    put(&desks[1], b, 0, STORE_LIVE_SET, 0, "sure");
    wait_for(&desks[0], 1);
    CHECK_INT(desks[0].committed, is_there);
    CHECK_INT(load(&desks[1], a), is_there);
    CHECK(load(&desks[0], b));
    close_pair();
}

static void test_failures_are_ones_own(void)
{
    fail_one(MEMORY_APPEARS, true);
    fail_one(MEMORY_REFUSES, false);
}

/* Its process is gone, as far as the disk knows; another takes the node's place. */
static void test_killed(void)
{
    const run_id a = run_of(1, 3), b = run_of(2, 200);
    open_pair();
    put(&desks[1], b, 0, STORE_LIVE_SET, 0, "before");
    const uint64_t epoch = store_epoch(desks[1].store);
    memory_kill(disk, 1);
    backend *again = memory_open_node(disk, &pair[1]);
    CHECK(again && again->ops->epoch(again) > epoch);
    store_journal j = {.run = b};
    again->ops->load(again, &j, 0);
    CHECK(j.found && j.len == strlen("before"));
    free(j.data);
    CHECK(store_load(desks[1].port, &b, 1, on_loaded, NULL));
    wait_done(&desks[1]);
    CHECK(got.j.error);
    put(&desks[0], a, 0, STORE_LIVE_SET, 0, "goes on");
    CHECK_INT(desks[0].committed, 1);
    again->ops->close(again);
    close_pair();
}

static const check_case cases[] = {
    {"each slot has one owner, and all nodes say so", test_owners},
    {"both nodes read what either has written, and each finds its own live runs", test_shared},
    {"an insert of one node is seen by the other's", test_insert_counts_once},
    {"a write that fails is that node's alone", test_failures_are_ones_own},
    {"a node that is killed writes nothing more, and another takes its place", test_killed},
};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof *cases, argc, argv); }
