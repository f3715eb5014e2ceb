/* A store by hand: nothing happens until its owner does it, in the order he likes; and a disk in shared memory, which
 * outlives the process that has it open. */
#include "storage/store_by_hand.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "storage/memory/memory.h"
#include "tests/harness/store_desk.h"

static store_options by_hand_on(memory_disk *disk)
{
    store_options o = options_for("nothing-is-there");
    o.backend = memory_open(disk);
    o.by_hand = true;
    CHECK(o.backend);
    return o;
}

static store_segment segment_of(run_id id, const char *data)
{
    return (store_segment){
        .run = id, .live = STORE_LIVE_SET, .retain_ms = -1, .data = data, .len = strlen(data), .due_ms = 7};
}

static void turn(desk *d)
{
    for (int i = 0; i < 3; i++) (void)uv_run(&d->loop, UV_RUN_NOWAIT);
}

static void test_writes(void)
{
    desk d;
    memory_disk *disk = memory_disk_new();
    store_options o = by_hand_on(disk);
    open_desk(&d, &o);
    CHECK_INT(store_hand_write_due_ms(d.store), -1);
    store_segment a = segment_of(id_of(1, 1), "a"), b = segment_of(id_of(2, 2), "b");
    store_append(d.port, &a);
    store_append(d.port, &b);
    turn(&d);
    CHECK_INT(d.committed, 0);
    CHECK_INT(store_hand_write_due_ms(d.store), 0);
    store_hand_write(d.store);
    CHECK_INT(d.committed, 0);
    CHECK_INT(memory_writes(disk), 1);
    turn(&d);
    CHECK_INT(d.committed, 2);
    CHECK_INT(store_hand_write_due_ms(d.store), -1);
    close_desk(&d);
    memory_disk_free(disk);
}

enum { CROWD = 1000, OF_TURN = 256 };

static void append_crowd(desk *d, store_segment crowd[CROWD])
{
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = segment_of(id_of(1 + i, 1), "one of many");
        if (i > 0) crowd[i - 1].next = &crowd[i];
    }
    store_append(d->port, crowd);
}

/* Of a batch of very many, so that the loop can answer the first of them and take what has come before it sees the
 * last. */
static void test_pieces(void)
{
    static store_segment crowd[CROWD];
    desk d;
    memory_disk *disk = memory_disk_new();
    store_options o = by_hand_on(disk);
    open_desk(&d, &o);
    append_crowd(&d, crowd);
    store_hand_write(d.store);
    CHECK_INT(memory_writes(disk), 1);
    for (size_t before = 0; d.committed < CROWD; before = d.committed) {
        (void)uv_run(&d.loop, UV_RUN_ONCE);
        CHECK(d.committed > before && d.committed - before <= OF_TURN);
    }
    close_desk(&d);
    memory_disk_free(disk);
}

enum { LARGE = 12, LARGE_BYTES = 4 * 1024 * 1024, OF_BATCH = 4 };

/* A batch has so many bytes of a loop, and what is joined with the last of them. */
static void test_batches(void)
{
    static store_segment large[LARGE];
    desk d;
    memory_disk *disk = memory_disk_new();
    store_options o = by_hand_on(disk);
    char *data = calloc(1, LARGE_BYTES);
    CHECK(data);
    open_desk(&d, &o);
    for (int i = 0; i < LARGE; i++) {
        large[i] = segment_of(id_of(1 + i, 1), "");
        large[i].data = data;
        large[i].len = LARGE_BYTES;
        large[i].next = i + 1 < LARGE ? &large[i + 1] : NULL;
    }
    large[OF_BATCH - 1].joined = large[OF_BATCH].joined = true;
    store_append(d.port, large);
    store_segment small = segment_of(id_of(100, 1), "small");
    store_append(d.port, &small);
    static const size_t came[] = {OF_BATCH + 2, 2 * OF_BATCH + 2, LARGE + 1};
    for (size_t i = 0; i < sizeof came / sizeof *came; i++) {
        CHECK_INT(store_hand_write_due_ms(d.store), 0);
        store_hand_write(d.store);
        turn(&d);
        CHECK_INT(d.committed, came[i]);
    }
    CHECK_INT(store_hand_write_due_ms(d.store), -1);
    close_desk(&d);
    memory_disk_free(disk);
    free(data);
}

/* Of a write that failed: all its owners know before the journal takes writes again. */
static void test_failed_at_once(void)
{
    static store_segment crowd[CROWD];
    desk d;
    memory_disk *disk = memory_disk_new();
    store_options o = by_hand_on(disk);
    open_desk(&d, &o);
    memory_fail(disk, MEMORY_REFUSES, 0, false);
    append_crowd(&d, crowd);
    store_hand_write(d.store);
    while (d.failed + d.committed == 0) (void)uv_run(&d.loop, UV_RUN_ONCE);
    CHECK_INT(d.failed, CROWD);
    close_desk(&d);
    memory_disk_free(disk);
}

/* Of a write whose outcome was not known, likewise, also if it is there. */
static void test_known_at_once(void)
{
    static store_segment crowd[CROWD];
    desk d;
    memory_disk *disk = memory_disk_new();
    store_options o = by_hand_on(disk);
    open_desk(&d, &o);
    memory_fail(disk, MEMORY_APPEARS, 0, false);
    append_crowd(&d, crowd);
    store_hand_write(d.store);
    turn(&d);
    CHECK_INT(d.failed + d.committed, 0);
    for (int64_t left; (left = store_hand_write_due_ms(d.store)) > 0;) usleep((useconds_t)left * 1000);
    store_hand_write(d.store);
    CHECK(store_writable(d.port));
    while (d.failed + d.committed == 0) (void)uv_run(&d.loop, UV_RUN_ONCE);
    CHECK_INT(d.committed, CROWD);
    close_desk(&d);
    memory_disk_free(disk);
}

/* The younger one first. */
static void test_reads(void)
{
    desk d;
    memory_disk *disk = memory_disk_new();
    store_options o = by_hand_on(disk);
    open_desk(&d, &o);
    store_segment a = segment_of(id_of(1, 1), "a"), b = segment_of(id_of(2, 2), "bb");
    store_append(d.port, &a);
    store_append(d.port, &b);
    store_hand_write(d.store);
    turn(&d);
    CHECK(store_load(d.port, &a.run, 1, on_loaded, NULL));
    CHECK(store_load(d.port, &b.run, 1, on_loaded, NULL));
    got.done = false;
    turn(&d);
    CHECK_INT(store_hand_reads(d.store), 2);
    CHECK(!got.done);
    store_hand_read(d.store, 1);
    CHECK(!got.done);
    turn(&d);
    CHECK(got.done);
    CHECK_STR(got.data, "bb");
    CHECK_INT(store_hand_reads(d.store), 1);
    CHECK_INT(store_reads(d.port), 1);
    store_hand_read(d.store, 0);
    turn(&d);
    CHECK_STR(got.data, "a");
    CHECK_INT(store_reads(d.port), 0);
    close_desk(&d);
    memory_disk_free(disk);
}

typedef struct some_loaded {
    size_t whole, left; /* journals */
    bool is_in_order;
} some_loaded;

static void on_some(void *arg, store_journal *journals, size_t count)
{
    some_loaded *l = arg;
    *l = (some_loaded){.is_in_order = true};
    for (size_t i = 0; i < count; i++) {
        const store_journal *j = &journals[i];
        const run_id id = id_of(1 + (int64_t)i, 1);
        CHECK(!j->error && !j->cut && run_id_equal(&j->run, &id));
        CHECK(j->is_left ? !j->data && j->len == 0 && !j->found : j->found && j->len == 4);
        if (j->is_left)
            l->left++;
        else
            l->whole++;
        l->is_in_order = l->is_in_order && (j->is_left || l->left == 0);
    }
}

/* As many journals of 4 bytes each, in their order, as have the room; what is left is nothing of them. */
static void test_reads_some(void)
{
    static const struct {
        size_t bytes_max, whole;
    } cases[] = {{1, 0}, {3, 0}, {4, 1}, {7, 1}, {8, 2}, {11, 2}, {12, 3}, {100, 3}, {0, 3}};
    desk d;
    memory_disk *disk = memory_disk_new();
    store_options o = by_hand_on(disk);
    run_id ids[3];
    store_segment segments[6];
    open_desk(&d, &o);
    for (int i = 0; i < 6; i++) { /* two each */
        ids[i / 2] = id_of(1 + i / 2, 1);
        segments[i] = segment_of(ids[i / 2], "ab");
        segments[i].seq = (uint32_t)i % 2;
        store_append(d.port, &segments[i]);
    }
    store_hand_write(d.store);
    turn(&d);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        some_loaded l = {.whole = 9};
        CHECK(store_load_some(d.port, &(store_load_list){ids, 3, cases[i].bytes_max}, on_some, &l));
        store_hand_read(d.store, 0);
        turn(&d);
        CHECK(l.is_in_order);
        CHECK_INT(l.whole, cases[i].whole);
        CHECK_INT(l.left, 3 - cases[i].whole);
    }
    close_desk(&d);
    memory_disk_free(disk);
}

/* One of unknown outcome comes back when the disk takes writes again. */
static void test_outage(void)
{
    desk d;
    memory_disk *disk = memory_disk_new();
    store_options o = by_hand_on(disk);
    open_desk(&d, &o);
    store_segment a = segment_of(id_of(1, 1), "a"), b = segment_of(id_of(2, 2), "b");
    memory_fail(disk, MEMORY_APPEARS, 0, false);
    store_append(d.port, &a);
    store_hand_write(d.store);
    turn(&d);
    CHECK(!store_writable(d.port));
    CHECK_INT(d.committed + d.failed, 0);
    store_append(d.port, &b);
    store_hand_write(d.store);
    turn(&d);
    CHECK_INT(d.failed, 1);
    for (int64_t left; (left = store_hand_write_due_ms(d.store)) != 0;) {
        CHECK(left > 0);
        usleep((useconds_t)left * 1000);
    }
    store_hand_write(d.store);
    turn(&d);
    CHECK(store_writable(d.port));
    CHECK_INT(d.committed, 1);
    close_desk(&d);
    memory_disk_free(disk);
}

static void test_sweep(void)
{
    desk d;
    memory_disk *disk = memory_disk_new();
    const int64_t start = 1800000000000;
    memory_set_wall_ms(disk, start);
    store_options o = by_hand_on(disk);
    o.retain_ms = 1000;
    open_desk(&d, &o);
    store_segment a = segment_of(id_of(start, 1), "a");
    a.live = STORE_LIVE_CLEAR;
    store_append(d.port, &a);
    store_hand_write(d.store);
    turn(&d);
    memory_set_wall_ms(disk, start + 60000);
    store_hand_sweep(d.store);
    CHECK(store_load(d.port, &a.run, 1, on_loaded, NULL));
    store_hand_read(d.store, 0);
    turn(&d);
    CHECK(!got.j.found);
    close_desk(&d);
    memory_disk_free(disk);
}

/* ---- A disk that is shared ---- */

enum { SPACE_BYTES = 1 << 20 };

typedef struct space {
    size_t used;
    char bytes[];
} space;

/* Gives nothing back. */
static void *resize(void *arg, void *block, size_t bytes)
{
    space *s = arg;
    size_t *head = (size_t *)(void *)(s->bytes + s->used);
    if (bytes == 0) return NULL;
    s->used += (bytes + 2 * sizeof(size_t) - 1 + sizeof(size_t)) / 16 * 16 + 16;
    CHECK(s->used < SPACE_BYTES - sizeof *s);
    *head = bytes;
    if (block) {
        size_t before = ((size_t *)block)[-2];
        memcpy(head + 2, block, before < bytes ? before : bytes);
    }
    return head + 2;
}

/* Commits one segment, and dies with another under way. */
static void child(memory_disk *disk)
{
    desk d;
    store_options o = by_hand_on(disk);
    open_desk(&d, &o);
    store_segment a = segment_of(id_of(1, 1), "committed"), b = segment_of(id_of(2, 2), "not yet");
    store_append(d.port, &a);
    store_hand_write(d.store);
    store_append(d.port, &b);
    _exit(0);
}

static void test_shared(void)
{
    desk d;
    int status = 1;
    space *s = mmap(NULL, SPACE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(s != MAP_FAILED);
    memory_disk *disk = memory_disk_new_in(&(memory_space){.resize = resize, .arg = s});
    pid_t pid = fork();
    if (pid == 0) child(disk);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    memory_abandon(disk);
    got.done = false;
    store_options o = options_for("nothing-is-there");
    o.backend = memory_open(disk);
    open_desk(&d, &o);
    CHECK_INT(store_epoch(d.store), 2);
    CHECK(load(&d, id_of(1, 1)));
    CHECK_STR(got.data, "committed");
    CHECK(!load(&d, id_of(2, 2)));
    close_desk(&d);
    memory_disk_free(disk);
    CHECK(munmap(s, SPACE_BYTES) == 0);
}

static const check_case cases[] = {{"a write waits for its owner", test_writes},
                                   {"a batch of very many comes back in pieces", test_pieces},
                                   {"a batch has so many bytes, and whole groups", test_batches},
                                   {"a write that failed comes back at once", test_failed_at_once},
                                   {"a write that was in doubt comes back at once", test_known_at_once},
                                   {"reads in any order", test_reads},
                                   {"of many journals those that have room", test_reads_some},
                                   {"an outage ends when its time has come", test_outage},
                                   {"a round of retention", test_sweep},
                                   {"a shared disk outlives a process", test_shared}};

int main(int argc, char **argv)
{
    snprintf(root, sizeof root, "/nowhere");
    return check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
}
