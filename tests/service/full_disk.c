/* A program whose disk takes no writes when it starts serves what can be read, begins and resumes nothing, and goes on
 * by itself when there is room: after kill -9, upgrades and crashes, with and without a supervisor. */
#include "runtime/stepwell.h"
#include "tests/harness/disk_faults.h"
#include "tests/harness/served.h"
#include "tests/harness/small_disk.h"

enum { DISK_MIB = 32, DEATHS = 3 };

typedef struct notes {
    unsigned charges, ships, deaths;
    int gate; /* opened by the test */
    disk_state disk;
} notes;
static notes *seen;
static char mount_point[96], data[128];
static answer a;

static unsigned count(unsigned *n) { return __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST); }
static unsigned load(const unsigned *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }
static void nap(void) { usleep(10000); }

/* ---- The program ---- */

static sw_value charge(sw_ctx *c, sw_value v)
{
    (void)c;
    count(&seen->charges);
    return v;
}

static sw_value ship(sw_ctx *c, sw_value v)
{
    count(&seen->ships);
    while (!__atomic_load_n(&seen->gate, __ATOMIC_SEQ_CST)) sw_sleep(c, "gate", 5);
    return v;
}

static void on_order(sw_ctx *c)
{
    sw_step_with(c, "charge", charge, sw_nil(), &(sw_step_options){.sync = true});
    if (sw_query(c, "waits")) sw_step(c, "ship", ship, sw_nil());
    sw_reply_text(c, 200, "shipped");
}

static sw_value die(sw_ctx *c, sw_value v)
{
    (void)c;
    count(&seen->deaths);
    raise(SIGSEGV);
    return v;
}

static void on_poison(sw_ctx *c)
{
    sw_sleep(c, "moment", 100);
    sw_step(c, "deadly step", die, sw_nil());
    sw_reply_text(c, 200, "harmless");
}

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    disk = &seen->disk;
    sw_app *app = sw_app_new("full-disk");
    sw_endpoint(app, "POST /orders", on_order, NULL);
    sw_endpoint(app, "POST /poison", on_poison, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Its clients ---- */

static void start(const char *flag)
{
    const char *with[] = {"--data", data, "--dev", "--loops", "2", "--drain", "200ms", flag, NULL};
    served_start(&server, with);
}

/* An answer while the worker is there; one that dies or is replaced may cut a call. */
static void get(const char *path)
{
    while (!call_try(NULL, server_url(path), NULL, NULL, 0, &a)) nap();
}

static void post(const char *path, bool async)
{
    static const char *const headers[] = {"Prefer: respond-async", NULL};
    call("POST", server_url(path), async ? headers : NULL, "", 20, &a);
}

static void await_ready(void)
{
    for (get("/_sw/readyz"); a.status != 200; get("/_sw/readyz")) nap();
}

static void await_read_only(void)
{
    for (get("/_sw/readyz"); !strstr(a.body, "journal cannot be written"); get("/_sw/readyz")) nap();
    CHECK_INT(a.status, 503);
}

/* The path of its output behind the address. */
static void begin(const char *path, char output[512])
{
    post(path, true);
    CHECK_INT(a.status, 202);
    const char *at = strstr(a.body, "\"outputUrl\":\"http://");
    CHECK(at && (at = strchr(at + strlen("\"outputUrl\":\"http://"), '/')));
    snprintf(output, 512, "%.*s", (int)strcspn(at, "\""), at);
}

static void output_is(const char *output, const char *body)
{
    call(NULL, server_url(output), NULL, NULL, 50, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, body);
}

/* A client that waits for a run from now on: await_client for it. */
static pid_t wait_as_client(const char *output)
{
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) return pid;
    output_is(output, "shipped");
    _Exit(0);
}

static void await_client(pid_t pid)
{
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static pid_t pid_in_folder(void)
{
    char file[160], text[32] = "";
    snprintf(file, sizeof file, "%s/pid", data);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    close(fd);
    return (pid_t)strtol(text, NULL, 10);
}

/* ---- On a full disk ---- */

static char shipped[512], waiting[512]; /* outputs of a run that has ended and of one that has not */

static void in_folder(const char *name)
{
    small_disk_empty(mount_point);
    snprintf(data, sizeof data, "%s/%s", mount_point, name);
    memset(seen, 0, sizeof *seen);
}

/* What the process before has left: of its two runs one has not ended. */
static void make_runs(void)
{
    begin("/orders", shipped);
    output_is(shipped, "shipped");
    begin("/orders?waits=1", waiting);
    while (load(&seen->ships) == 0) nap();
    CHECK_INT(seen->charges, 2);
}

static void check_read_only(unsigned ships)
{
    char value[64];
    await_read_only();
    get("/_sw/healthz");
    CHECK_INT(a.status, 200);
    output_is(shipped, "shipped");
    get("/_sw/runs");
    CHECK_INT(a.status, 200);
    CHECK(strstr(a.body, "\"state\":\"succeeded\"") && strstr(a.body, "POST /orders"));
    get("/_sw/metrics");
    CHECK(strstr(a.body, "\nstepwell_journal_read_only 1\n"));
    post("/orders", false);
    CHECK_INT(a.status, 503);
    CHECK_STR(answer_header(&a, "Retry-After", value, sizeof value), "5");
    CHECK(load(&seen->charges) == 2 && load(&seen->ships) == ships);
}

static void check_goes_on(unsigned ships)
{
    small_disk_empty(mount_point);
    await_ready();
    seen->gate = 1;
    output_is(waiting, "shipped");
    output_is(shipped, "shipped");
    CHECK(load(&seen->charges) == 2 && load(&seen->ships) == ships);
    post("/orders", false);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "shipped");
    CHECK_INT(seen->charges, 3);
}

static void test_killed(void)
{
    static const uint64_t left[] = {0, 4096, 65536};
    in_folder("killed");
    start(NULL);
    make_runs();
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
        small_disk_leave(mount_point, left[i]);
        start(NULL);
        CHECK_INT(pid_in_folder(), server.pid);
        check_read_only(1);
    }
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    start(NULL);
    check_read_only(1);
    pid_t client = wait_as_client(waiting);
    usleep(100000);
    check_goes_on(2);
    await_client(client);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    start(NULL);
    await_ready();
    output_is(waiting, "shipped");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_supervised(void)
{
    in_folder("supervised");
    start("--supervise");
    make_runs();
    small_disk_leave(mount_point, 0);
    pid_t client = wait_as_client(waiting);
    usleep(500000); /* until the supervisor has its connection too */
    for (int i = 0; i < 3; i++) {
        pid_t before = pid_in_folder();
        CHECK(kill(i == 1 ? server.pid : before, i == 1 ? SIGHUP : SIGKILL) == 0);
        while (pid_in_folder() == before) nap();
        check_read_only(1);
    }
    check_goes_on(2);
    await_client(client);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Of which run the processes before have died is known, and in its journal before the run could go on. */
static void test_poison(void)
{
    char output[512];
    in_folder("poison");
    start(NULL);
    begin("/poison", output);
    for (int i = 1; i <= DEATHS; i++) {
        int status;
        CHECK(waitpid(server.pid, &status, 0) == server.pid);
        close(server.log);
        CHECK_INT(seen->deaths, i);
        if (i == DEATHS) small_disk_leave(mount_point, 0);
        start(NULL);
    }
    await_read_only();
    small_disk_empty(mount_point);
    await_ready();
    get("/_sw/runs");
    CHECK(strstr(a.body, "\"state\":\"stopped\""));
    usleep(300000);
    get("/_sw/readyz");
    CHECK_INT(seen->deaths, DEATHS);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* The disk is full again for just what a crash adds to its run's journal: at the start, then when one has found room
 * after it. The process serves what can be read, and is stopped like any other. */
static void test_full_again(void)
{
    char output[512];
    int status;
    in_folder("again");
    start(NULL);
    begin("/poison", output);
    CHECK(waitpid(server.pid, &status, 0) == server.pid);
    close(server.log);
    snprintf(seen->disk.mark, sizeof seen->disk.mark, "deadly step");
    for (int i = 0; i < 2; i++) {
        disk_set(&seen->disk, DISK_MARKED);
        if (i == 1) small_disk_leave(mount_point, 0);
        start(NULL);
        if (i == 1) await_read_only();
        unsigned failed = disk_failed(&seen->disk);
        small_disk_empty(mount_point);
        while (i == 1 && disk_failed(&seen->disk) == failed) nap();
        await_read_only();
        get("/_sw/runs");
        CHECK(a.status == 200 && strstr(a.body, "POST /poison"));
        CHECK_INT(served_stop(&server, SIGTERM), 0);
        CHECK_INT(seen->deaths, 1);
    }
    CHECK(disk_failed(&seen->disk) >= 2);
}

static unsigned count_succeeded(void)
{
    unsigned n = 0;
    get("/_sw/runs?limit=100");
    CHECK_INT(a.status, 200);
    for (const char *at = a.body; (at = strstr(at, "\"state\":\"succeeded\"")); at++) n++;
    return n;
}

/* Starts get further and further, and what they do then may fail at any file: what was accepted is there in the end,
 * and nothing that was refused. */
static void test_nearly_full(void)
{
    unsigned accepted = 0, refused = 0;
    in_folder("nearly");
    start(NULL);
    make_runs();
    for (uint64_t left = 240 << 10; left < 420 << 10; left += 12 << 10) {
        CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
        small_disk_leave(mount_point, left);
        start(NULL);
        for (get("/_sw/readyz"); strstr(a.body, "recovering"); get("/_sw/readyz")) nap();
        for (int i = 0; i < 3; i++) {
            post("/orders", true);
            CHECK(a.status == 202 || a.status == 503);
            accepted += a.status == 202;
            refused += a.status == 503;
        }
    }
    printf("# %u accepted, %u refused\n", accepted, refused);
    small_disk_empty(mount_point);
    await_ready();
    seen->gate = 1;
    output_is(waiting, "shipped");
    output_is(shipped, "shipped");
    while (count_succeeded() < accepted + 2) nap();
    CHECK_INT(count_succeeded(), accepted + 2);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* The next process finds what this one has noted when it could: that it had not ended. */
static void test_noted(void)
{
    char file[160], text[4096];
    in_folder("noted");
    start(NULL);
    make_runs();
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    small_disk_leave(mount_point, 0);
    start(NULL);
    check_read_only(1);
    small_disk_empty(mount_point);
    await_ready();
    snprintf(file, sizeof file, "%s/end", data);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, text, sizeof text) > 7);
    close(fd);
    CHECK(strncmp(text, "in use\n", 7) == 0);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
}

static const check_case cases[] = {{"killed on a full disk, and started", test_killed},
                                   {"with a supervisor, killed and upgraded", test_supervised},
                                   {"a run that has killed its process three times", SANITIZED ? NULL : test_poison},
                                   {"full again for a crash", SANITIZED ? NULL : test_full_again},
                                   {"a disk that is nearly full", test_nearly_full},
                                   {"a process that could not note itself does so later", test_noted}};

int main(int argc, char **argv)
{
    char notes_file[96];
    ssize_t n = readlink("/proc/self/exe", served_program, sizeof served_program - 1);
    CHECK(n > 0);
    if (argc > 1 && strcmp(argv[1], "--serve") == 0) return serve(argc - 1, argv + 1);
    make_folder(root);
    snprintf(mount_point, sizeof mount_point, "%s/disk", root);
    CHECK(mkdir(mount_point, 0700) == 0);
    small_disk_mount(mount_point, DISK_MIB);
    snprintf(notes_file, sizeof notes_file, "%s/notes", root);
    seen = share_memory(notes_file, sizeof *seen);
    CHECK(setenv("NOTES", notes_file, 1) == 0);
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    CHECK(umount(mount_point) == 0);
    remove_tree(root);
    return result;
}
