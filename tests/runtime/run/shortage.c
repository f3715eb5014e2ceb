/* What is short for a while is tried again: stacks for runs that are resumed and for members of groups, and a disk that
 * cannot be read when the unfinished runs are looked for. */
#include <dlfcn.h>
#include <uv.h>

#include "runtime/stepwell.h"
#include "tests/harness/disk_faults.h"
#include "tests/harness/served.h"

enum { RUNS = 40, FIRST_STACKS = 16, MEMBERS = 100 };

typedef struct notes {
    disk_state disk;
    volatile bool no_stacks, no_reads, gate_open, each_open;
    volatile unsigned arrived, naps;
} notes;
static notes *seen;

static unsigned count(volatile unsigned *n) { return __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST); }

/* Memory for coroutines' stacks can be refused. Named for the linker, as the compiler calls it in stack.c. */
DISK_SHOWN void *shortage_mmap(void *at, size_t len, int protection, int flags, int fd, off_t from) __asm__("mmap64");
void *shortage_mmap(void *at, size_t len, int protection, int flags, int fd, off_t from)
{
    int stack = MAP_STACK | MAP_NORESERVE;
    if (seen && seen->no_stacks && (flags & stack) == stack) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, from);
}

static bool loop_began; /* atomic */

/* The indexer would read the live runs before the loop does, which would find them in RocksDB's cache. Named for the
 * linker (--wrap). */
void *index_late(void *store) __asm__("__wrap_store_index_main");
void *index_real(void *store) __asm__("__real_store_index_main");
void *index_late(void *store)
{
    while (seen && seen->no_reads && !__atomic_load_n(&loop_began, __ATOMIC_ACQUIRE)) usleep(1000);
    return index_real(store);
}

/* The first loop is started when the store is open: from then on nothing can be read. */
DISK_SHOWN int uv_thread_create(uv_thread_t *thread, uv_thread_cb entry, void *arg)
{
    int (*real)(uv_thread_t *, uv_thread_cb, void *) = NULL;
    *(void **)(&real) = dlsym(RTLD_NEXT, "uv_thread_create");
    if (seen && seen->no_reads) disk_set(disk, DISK_READ_FAILS);
    __atomic_store_n(&loop_began, true, __ATOMIC_RELEASE);
    return real(thread, entry, arg);
}

/* ---- The program ---- */

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", 300);
    count(&seen->naps);
    sw_reply_text(c, 200, "rested");
}

static sw_value one(sw_ctx *c, sw_value v)
{
    sw_sleep(c, "moment", 1);
    return v;
}

static sw_value wait_for_all(sw_ctx *c, sw_value v)
{
    count(&seen->arrived);
    while (!seen->gate_open) sw_sleep(c, "gate", 5);
    return v;
}

static void on_group(sw_ctx *c)
{
    sw_step(c, "arrive", wait_for_all, sw_nil());
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < MEMBERS; i++) sw_group_step(g, "one", one, sw_int(1));
    sw_reply_text(c, 200, "%zu members", sw_len(sw_group_wait(g)));
}

static sw_value wait_for_each(sw_ctx *c, sw_value v)
{
    count(&seen->arrived);
    while (!seen->each_open) sw_sleep(c, "gate", 5);
    return v;
}

static void on_each(sw_ctx *c)
{
    sw_value inputs = sw_array(c, 3, sw_int(1), sw_int(2), sw_int(3));
    sw_reply_text(c, 200, "%zu steps", sw_len(sw_each(c, "one", wait_for_each, inputs, 1)));
}

static int serve(int argc, char **argv)
{
    notes *n = share_memory(getenv("NOTES"), sizeof *n);
    seen = n;
    disk = &seen->disk;
    sw_app *app = sw_app_new("shortage");
    sw_endpoint(app, "GET /nap", on_nap, NULL);
    sw_endpoint(app, "GET /group", on_group, NULL);
    sw_endpoint(app, "GET /each", on_each, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static char data[128];
static answer a;

static void start(void)
{
    const char *const flags[] = {"--data",       data,   "--dev",  "--loops", "1",
                                 "--park-after", "20ms", "--hold", "60s",     NULL};
    served_start(&server, flags);
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static void begin(const char *path, char output[1024]) { server_begin(NULL, path, output, 1024); }

static void output_is(const char *output, const char *expected)
{
    call(NULL, server_url(output), NULL, NULL, 0, &a);
    if (a.status != 200) printf("# %ld %s\n", a.status, a.body);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, expected);
}

static void wait_for(const volatile unsigned *n, unsigned least)
{
    for (int i = 0; i < PATIENCE_MS && *n < least; i++) usleep(1000);
    CHECK(*n >= least);
}

static char outputs[RUNS][1024];

static void test_resumed(void)
{
    seen->naps = 0;
    start();
    for (int i = 0; i < RUNS; i++) begin("/nap", outputs[i]);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    unsigned before = seen->naps;
    seen->no_stacks = true;
    start();
    usleep(700000); /* all are due, and have been tried */
    CHECK_INT(seen->naps, before);
    seen->no_stacks = false;
    for (int i = 0; i < RUNS; i++) output_is(outputs[i], "rested");
    stop();
}

/* Of as many runs as there are stacks none has room for a member of its group. */
static void test_members(void)
{
    seen->arrived = 0;
    seen->gate_open = false;
    start();
    for (int i = 0; i < FIRST_STACKS; i++) begin("/group", outputs[i]);
    wait_for(&seen->arrived, FIRST_STACKS);
    seen->no_stacks = true;
    seen->gate_open = true;
    usleep(500000);
    seen->no_stacks = false;
    char expected[64];
    snprintf(expected, sizeof expected, "%d members", MEMBERS);
    for (int i = 0; i < FIRST_STACKS; i++) output_is(outputs[i], expected);
    /* One that has at least one stack more needs no others. */
    seen->no_stacks = true;
    begin("/group", outputs[0]);
    output_is(outputs[0], expected);
    seen->no_stacks = false;
    stop();
}

/* Who waits for the group sleeps already when its next member finds no room: the one before has it still. */
static void test_later_member(void)
{
    seen->arrived = 0;
    seen->gate_open = seen->each_open = false;
    start();
    for (int i = 0; i < FIRST_STACKS - 2; i++) begin("/group", outputs[i]);
    wait_for(&seen->arrived, FIRST_STACKS - 2);
    begin("/each", outputs[FIRST_STACKS]);
    wait_for(&seen->arrived, FIRST_STACKS - 1);
    seen->no_stacks = true;
    seen->each_open = true;
    output_is(outputs[FIRST_STACKS], "3 steps");
    seen->no_stacks = false;
    seen->gate_open = true;
    for (int i = 0; i < FIRST_STACKS - 2; i++) output_is(outputs[i], "100 members");
    stop();
}

static void test_drain_while_short(void)
{
    seen->arrived = 0;
    seen->gate_open = false;
    start();
    for (int i = 0; i < FIRST_STACKS; i++) begin("/group", outputs[i]);
    wait_for(&seen->arrived, FIRST_STACKS);
    seen->no_stacks = true;
    seen->gate_open = true;
    usleep(300000);
    stop();
    seen->no_stacks = false;
    start();
    char expected[64];
    snprintf(expected, sizeof expected, "%d members", MEMBERS);
    for (int i = 0; i < FIRST_STACKS; i++) output_is(outputs[i], expected);
    stop();
}

static bool is_ready(void)
{
    call(NULL, server_url("/_sw/readyz"), NULL, NULL, 0, &a);
    return a.status == 200;
}

static bool gets_ready(void)
{
    for (int i = 0; i < PATIENCE_MS / 10; i++) {
        if (is_ready()) return true;
        usleep(10000);
    }
    return false;
}

static void test_recovery(void)
{
    start();
    for (int i = 0; i < RUNS; i++) begin("/nap", outputs[i]);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    seen->disk.failed = 0;
    seen->no_reads = true;
    start();
    wait_for(&seen->disk.failed, 2);
    CHECK(!is_ready());
    stop(); /* also while it has not read them */
    disk_set(&seen->disk, DISK_GOOD);
    seen->disk.failed = 0;
    start();
    wait_for(&seen->disk.failed, 2);
    seen->no_reads = false;
    disk_set(&seen->disk, DISK_GOOD);
    CHECK(gets_ready());
    for (int i = 0; i < RUNS; i++) output_is(outputs[i], "rested");
    stop();
}

static const check_case cases[] = {{"resumed runs wait for stacks", test_resumed},
                                   {"members of groups wait for stacks", test_members},
                                   {"a later member waits for its stack", test_later_member},
                                   {"a drain ends groups that wait for stacks", test_drain_while_short},
                                   {"recovery is tried again", test_recovery}};

static void share_notes(void)
{
    snprintf(data, sizeof data, "%s/data", root);
    seen = served_notes(sizeof *seen);
}

SERVED_MAIN(serve, share_notes, cases)
