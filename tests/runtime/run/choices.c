/* Decided, then done: no attempt begins before the choices that came before it are on disk, and with .sync nothing at
 * all is missing there; results alone are waited for by nobody. After a crash a choice is what it was. */
#include "runtime/stepwell.h"
#include "tests/harness/disk_faults.h"
#include "tests/harness/served.h"

enum { KILLS = 12, TRIES_MAX = 64 };

typedef struct notes {
    disk_state disk;
    volatile unsigned attempts, hold;
    volatile unsigned long long keys[TRIES_MAX]; /* as each attempt saw it */
} notes;
static notes *seen;

/* ---- The program ---- */

static sw_value attempt(sw_ctx *c, sw_value input)
{
    unsigned n = __atomic_load_n(&seen->attempts, __ATOMIC_SEQ_CST);
    if (n < TRIES_MAX) seen->keys[n] = strtoull(sw_cstr(c, input), NULL, 10); /* who counts it may kill the server */
    __atomic_store_n(&seen->attempts, n + 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&seen->hold, __ATOMIC_SEQ_CST)) sw_sleep(c, "hold", 2);
    return input;
}

static sw_value key_of(sw_ctx *c, uint64_t key) { return sw_strf(c, "%llu", (unsigned long long)key); }

static void on_result(sw_ctx *c) { sw_reply_json(c, 200, sw_step(c, "s", attempt, key_of(c, 1))); }

static void on_random(sw_ctx *c) { sw_reply_json(c, 200, sw_step(c, "s", attempt, key_of(c, sw_random(c)))); }

static void on_now(sw_ctx *c) { sw_reply_json(c, 200, sw_step(c, "s", attempt, key_of(c, (uint64_t)sw_now(c)))); }

static void on_sync(sw_ctx *c)
{
    sw_reply_json(c, 200, sw_step_with(c, "s", attempt, key_of(c, 1), &(sw_step_options){.sync = true}));
}

static sw_value branch(sw_ctx *c, sw_value input)
{
    (void)input;
    return sw_step(c, "s", attempt, key_of(c, sw_random(c)));
}

static void on_group(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "b", branch, sw_nil());
    sw_reply_json(c, 200, sw_group_wait(g));
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("choices");
    seen = served_notes(sizeof *seen);
    disk = &seen->disk;
    sw_endpoint(app, "POST /result", on_result, NULL);
    sw_endpoint(app, "POST /random", on_random, NULL);
    sw_endpoint(app, "POST /now", on_now, NULL);
    sw_endpoint(app, "POST /sync", on_sync, NULL);
    sw_endpoint(app, "POST /group", on_group, NULL);
    sw_endpoint(app, "POST /relaxed", on_random, &(sw_endpoint_options){.durability = SW_RELAXED});
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static void start(const char *name)
{
    char data[128];
    snprintf(data, sizeof data, "%s/%s", root, name);
    const char *const flags[] = {"--data", data, "--loops", "1", "--dev", NULL};
    served_start(&server, flags);
}

/* A POST whose answer nobody waits for yet; the connection. */
static int post(const char *path, const char *key)
{
    char request[256];
    int fd = server_dial();
    int len = snprintf(request, sizeof request,
                       "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIdempotency-Key: %s\r\n"
                       "Content-Length: 0\r\n\r\n",
                       path, key);
    CHECK(write(fd, request, (size_t)len) == len);
    return fd;
}

static void read_ok(int fd)
{
    char bytes[4096];
    size_t len = 0;
    for (ssize_t n; len < sizeof bytes - 1 && (n = read(fd, bytes + len, sizeof bytes - 1 - len)) > 0;)
        len += (size_t)n;
    bytes[len] = 0;
    CHECK(strncmp(bytes, "HTTP/1.1 200 ", 13) == 0);
    close(fd);
}

static void await(volatile unsigned *n, unsigned least)
{
    for (int i = 0; i < 30000 && __atomic_load_n(n, __ATOMIC_SEQ_CST) < least; i++) usleep(1000);
    CHECK(__atomic_load_n(n, __ATOMIC_SEQ_CST) >= least);
}

/* The disk takes no sync: what waits for one has not begun once the commit is under way. */
static void begins_before_the_commit(const char *path, bool begins)
{
    unsigned before = seen->attempts, hung = seen->disk.failed;
    disk_set(&seen->disk, DISK_SYNC_HANGS);
    int fd = post(path, path);
    await(&seen->disk.failed, hung + 1);
    if (begins)
        await(&seen->attempts, before + 1);
    else
        usleep(200000);
    CHECK_INT(seen->attempts, before + begins);
    disk_set(&seen->disk, DISK_GOOD);
    read_ok(fd);
    CHECK_INT(seen->attempts, before + 1);
}

static void results_are_not_waited_for(void)
{
    start("results");
    begins_before_the_commit("/result", true);
    begins_before_the_commit("/relaxed", true);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void choices_are_on_disk_first(void)
{
    static const char *const paths[] = {"/random", "/now", "/group", "/sync"};
    start("choices");
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) begins_before_the_commit(paths[i], false);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Killed at the first moment at which a charge has left: the resumed run charges with the same key. */
static void a_crash_changes_no_choice(void)
{
    for (unsigned i = 0; i < KILLS; i++) {
        char name[32];
        snprintf(name, sizeof name, "kill%u", i);
        seen->attempts = 0;
        __atomic_store_n(&seen->hold, 1, __ATOMIC_SEQ_CST);
        start(name);
        int fd = post(i % 2 ? "/random" : "/group", name);
        await(&seen->attempts, 1);
        CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
        close(fd);
        __atomic_store_n(&seen->hold, 0, __ATOMIC_SEQ_CST);
        start(name);
        await(&seen->attempts, 2); /* the run was on disk: it is resumed without its client */
        CHECK_INT(served_stop(&server, SIGTERM), 0);
        CHECK_INT(seen->attempts, 2);
        CHECK(seen->keys[0] == seen->keys[1]);
    }
}

static const check_case cases[] = {{"results are not waited for", results_are_not_waited_for},
                                   {"choices are on disk before an attempt begins", choices_are_on_disk_first},
                                   {"a crash changes no choice", a_crash_changes_no_choice}};

SERVED_MAIN_NOTES(serve, seen, cases)
