/* The supervisor, socket activation and what the service manager is told, seen from a client and from the manager. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { STARTS_MAX = 64 };

/* Seen by the test and all its servers. */
typedef struct notes {
    int hold_start;   /* workers wait before they serve */
    int crash_start;  /* workers die before they serve */
    int spin;         /* the handler of /spin blocks its loop */
    int spinning;     /* it is there */
    int slow_started; /* steps of /slow */
    int slow_ended;
    int starts; /* workers */
    int64_t started_ms[STARTS_MAX];
} notes;
static notes *seen;

static int load(const int *at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }
static void set(int *at, int value) { __atomic_store_n(at, value, __ATOMIC_SEQ_CST); }

static int64_t now_ms(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void nap(void) { usleep(10000); }

/* ---- The program ---- */

static void on_pid(sw_ctx *c) { sw_reply_text(c, 200, "%lld", (long long)getpid()); }

static void on_spin(sw_ctx *c)
{
    set(&seen->spinning, 1);
    while (load(&seen->spin)) nap(); /* on the loop's thread: nothing else there gets a turn */
    sw_reply_text(c, 200, "over");
}

static void *block(void *arg)
{
    (void)arg;
    usleep(500000);
    return NULL;
}

static sw_value slow(sw_ctx *c, sw_value v)
{
    __atomic_add_fetch(&seen->slow_started, 1, __ATOMIC_SEQ_CST);
    sw_blocking(c, block, NULL);
    __atomic_add_fetch(&seen->slow_ended, 1, __ATOMIC_SEQ_CST);
    return v;
}

static void on_slow(sw_ctx *c)
{
    (void)sw_step(c, "slow", slow, sw_nil());
    sw_reply_text(c, 200, "slow");
}

static const char *on_start(sw_app *app, void *arg)
{
    (void)app, (void)arg;
    int n = load(&seen->starts); /* one worker at a time: the time is there before the number says so */
    if (n < STARTS_MAX) seen->started_ms[n] = now_ms();
    set(&seen->starts, n + 1);
    while (load(&seen->hold_start)) nap();
    if (load(&seen->crash_start)) _exit(9);
    return getenv("LISTEN_FDS") ? "LISTEN_FDS is still in the environment" : NULL;
}

/* Starts this program again, with thousands of arguments before the last, which is an admin token. */
static void execute_with_many(char **argv)
{
    enum { MANY = 3000 };
    char **more = calloc(MANY + 32, sizeof *more);
    size_t n = 0;
    CHECK(more && unsetenv("MANY_ARGUMENTS") == 0);
    more[n++] = argv[0];
    more[n++] = (char *)(uintptr_t)"--serve";
    while (n < MANY) more[n++] = (char *)(uintptr_t)"--log-level=info";
    for (size_t i = 1; argv[i]; i++) more[n++] = argv[i];
    more[n++] = (char *)(uintptr_t)"--admin-token=last";
    execv("/proc/self/exe", more);
    CHECK(false);
}

static int serve(int argc, char **argv)
{
    if (getenv("MANY_ARGUMENTS")) execute_with_many(argv);
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("supervised");
    sw_route(app, "GET /pid", on_pid);
    sw_route(app, "GET /spin", on_spin);
    sw_endpoint(app, "GET /slow", on_slow, NULL);
    sw_on_start(app, on_start, NULL);
    return sw_main(app, argc, argv);
}

/* What a service manager does before it executes a program: `plan` has a letter for each descriptor from 3 on,
 * L a listening socket (all at one address), S one that does not listen. Behind them O: as what a supervisor gave to
 * its worker, and died. */
static void hand_over(const char *plan)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t to_len = sizeof to;
    int on = 1, high[8];
    size_t count = strspn(plan, "LS");
    char text[32];
    for (size_t i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(fd >= 0);
        if (plan[i] == 'L') {
            CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
            CHECK(bind(fd, (struct sockaddr *)&to, sizeof to) == 0 && listen(fd, 128) == 0);
            CHECK(getsockname(fd, (struct sockaddr *)&to, &to_len) == 0);
        }
        high[i] = fcntl(fd, F_DUPFD, 100);
        CHECK(high[i] >= 0 && close(fd) == 0);
    }
    for (size_t i = 0; i < count; i++) CHECK(dup2(high[i], 3 + (int)i) >= 0 && close(high[i]) == 0);
    snprintf(text, sizeof text, "%zu", count);
    CHECK(setenv("LISTEN_FDS", text, 1) == 0);
    snprintf(text, sizeof text, "%lld", (long long)getpid());
    CHECK(setenv("LISTEN_PID", text, 1) == 0 && setenv("LISTEN_FDNAMES", "web", 1) == 0);
    if (plan[count] == 'O') CHECK(setenv("STEPWELL_SUPERVISOR", "4:1:2", 1) == 0);
}

/* ---- Its clients ---- */

/* Descriptor of a connection that has sent a request; -1: refused. */
static int ask(const char *path)
{
    char request[256];
    struct sockaddr_in to = server_sockaddr();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), n;
    CHECK(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
    CHECK(send(fd, request, (size_t)n, MSG_NOSIGNAL) == n);
    return fd;
}

/* The body of the answer on a connection, which it closes. */
static void read_answer(int fd, char *body, size_t size)
{
    static char text[65536];
    size_t len = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK(fd >= 0);
    for (ssize_t n = 1; n > 0; len += (size_t)(n > 0 ? n : 0)) {
        CHECK(poll(&p, 1, PATIENCE_MS) == 1);
        n = read(fd, text + len, sizeof text - 1 - len);
        CHECK(n >= 0);
    }
    close(fd);
    text[len] = 0;
    CHECK(strncmp(text, "HTTP/1.1 200", 12) == 0);
    const char *at = strstr(text, "\r\n\r\n");
    CHECK(at && strlen(at + 4) < size);
    strcpy(body, at + 4);
}

static pid_t worker_pid(void)
{
    char body[64];
    read_answer(ask("/pid"), body, sizeof body);
    return (pid_t)atoll(body);
}

static char folder[128];
static int folders;
static char said[65536]; /* of the log, what await_log has read and not passed */

static void start(const char *const *more)
{
    const char *flags[16] = {"--data", folder};
    size_t n = 2;
    snprintf(folder, sizeof folder, "%s/data%d", root, folders++);
    for (; more && *more; more++) flags[n++] = *more;
    memset(seen, 0, sizeof *seen);
    said[0] = 0;
    served_start(&server, flags);
}

static const char *const supervised[] = {"--supervise", "--loops", "2", NULL};

/* ---- Tests ---- */

static void test_dead_worker(void)
{
    int waiting[20];
    char body[64];
    start(supervised);
    pid_t first = worker_pid();
    CHECK(first != server.pid);
    set(&seen->hold_start, 1);
    CHECK(kill(first, SIGKILL) == 0);
    while (load(&seen->starts) < 2) nap();
    /* now nobody serves: these wait in the queues */
    for (size_t i = 0; i < 20; i++) waiting[i] = ask("/pid");
    set(&seen->hold_start, 0);
    for (size_t i = 0; i < 20; i++) {
        read_answer(waiting[i], body, sizeof body);
        CHECK(atoll(body) != first && atoll(body) > 0);
    }
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_crash_loop(void)
{
    static const int64_t least_ms[] = {0, 100, 200, 400, 800};
    start(supervised);
    pid_t first = worker_pid();
    set(&seen->crash_start, 1);
    CHECK(kill(first, SIGKILL) == 0);
    while (load(&seen->starts) < 6) nap();
    set(&seen->crash_start, 0);
    for (int i = 1; i < 6; i++) CHECK(seen->started_ms[i] - seen->started_ms[i - 1] >= least_ms[i - 1]);
    CHECK(worker_pid() != first);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_upgrade(void)
{
    char body[64];
    start(supervised);
    pid_t first = worker_pid();
    for (int round = 0; round < 3; round++) {
        int working = ask("/slow");
        while (load(&seen->slow_started) <= round) nap();
        CHECK(kill(server.pid, SIGHUP) == 0);
        read_answer(working, body, sizeof body);
        CHECK_STR(body, "slow");
        while (load(&seen->starts) < round + 2) nap();
        pid_t next = worker_pid();
        CHECK(next != first);
        first = next;
    }
    /* SIGTERM to the worker alone is the same */
    CHECK(kill(first, SIGTERM) == 0);
    while (load(&seen->starts) < 5) nap();
    CHECK(worker_pid() != first);
    CHECK_INT(load(&seen->slow_ended), 3);
    CHECK_INT(load(&seen->starts), 5);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_stop(void)
{
    static const int signals[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < 2; i++) {
        start(supervised);
        pid_t worker = worker_pid();
        int working = ask("/slow");
        while (load(&seen->slow_started) == 0) nap();
        CHECK(kill(worker, signals[i]) == 0); /* as when the whole process group is signalled: counts once */
        CHECK_INT(served_stop(&server, signals[i]), 0);
        char body[64];
        read_answer(working, body, sizeof body);
        CHECK_STR(body, "slow");
        CHECK_INT(load(&seen->slow_ended), 1);
        CHECK_INT(ask("/pid"), -1);
    }
}

/* The log's other end is the worker's too: that it closes says that the worker has ended as well. */
static void test_supervisor_dies(void)
{
    start(supervised);
    int working = ask("/slow");
    while (load(&seen->slow_started) == 0) nap();
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    char body[64];
    read_answer(working, body, sizeof body);
    CHECK_STR(body, "slow");
    CHECK_INT(ask("/pid"), -1);
}

static void refused(const char *says, const char *const *flags)
{
    char log_text[8192];
    int code = 0;
    served s;
    CHECK(!served_try(&s, flags, log_text, sizeof log_text, &code));
    if (!strstr(log_text, says)) printf("# %s\n", log_text);
    CHECK(strstr(log_text, says) != NULL);
    CHECK_INT(code, 2);
}
#define REFUSED(says, ...) refused(says, (const char *const[]){__VA_ARGS__, NULL})

static void test_refusals(void)
{
    char fresh[128];
    snprintf(fresh, sizeof fresh, "%s/fresh", root);
    memset(seen, 0, sizeof *seen);
    REFUSED("parent folder does not exist", "--supervise", "--data", "/nonexistent/folder");
    REFUSED("--loops", "--supervise", "--loops", "x");
    start(NULL);
    REFUSED("in use by process", "--supervise", "--data", folder);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    const char *plans[] = {"LS", "S", "LLL", "LLO"};
    const char *says[] = {"descriptor 4 is no listening TCP socket", "descriptor 3 is no listening", "--loops 3",
                          "the supervisor ended before its worker served"};
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        CHECK(setenv("HAND_OVER", plans[i], 1) == 0);
        REFUSED(says[i], "--data", fresh, "--loops", "2");
        REFUSED(says[i], "--data", fresh, "--loops", "2", "--supervise");
    }
    CHECK(unsetenv("HAND_OVER") == 0);
    CHECK(setenv("LISTEN_PID", "1", 1) == 0 && setenv("LISTEN_FDS", "7", 1) == 0); /* another process's */
    start(NULL);
    CHECK(worker_pid() == server.pid);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    CHECK(unsetenv("LISTEN_PID") == 0 && unsetenv("LISTEN_FDS") == 0);
}

/* The address that is logged is that of the handed-over sockets: the client reaches them or nothing. */
static void test_activation(void)
{
    static const char *const plans[] = {"L", "LL", "L", "LL"};
    for (size_t i = 0; i < 4; i++) {
        CHECK(setenv("HAND_OVER", plans[i], 1) == 0);
        bool with_supervisor = i >= 2;
        const char *flags[] = {"--loops", "2", with_supervisor ? "--supervise" : NULL, NULL};
        start(flags);
        CHECK(unsetenv("HAND_OVER") == 0);
        pid_t first = worker_pid();
        CHECK((first != server.pid) == with_supervisor);
        for (int n = 0; n < 50; n++) CHECK(worker_pid() == first);
        if (with_supervisor) {
            CHECK(kill(first, SIGKILL) == 0);
            CHECK(worker_pid() > 0);
        }
        CHECK_INT(served_stop(&server, SIGTERM), 0);
    }
}

/* ---- The service manager ---- */

static int manager_open(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    size_t len = strlen(name);
    CHECK(fd >= 0 && len < sizeof at.sun_path);
    memcpy(at.sun_path, name, len);
    if (name[0] == '@') at.sun_path[0] = 0;
    CHECK(bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0);
    CHECK(setenv("NOTIFY_SOCKET", name, 1) == 0);
    return fd;
}

/* False: nothing came for that long. */
static bool manager_hears(int fd, int wait_ms, char *text, size_t size)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, wait_ms) == 0) return false;
    ssize_t n = recv(fd, text, size - 1, 0);
    CHECK(n > 0);
    text[n] = 0;
    return true;
}

/* Its queue is short, and what finds it full is lost: nothing old is to be in it when something is told once. */
static void manager_catch_up(int fd)
{
    char text[512];
    while (manager_hears(fd, 0, text, sizeof text)) continue;
}

/* Up to the message that has this in it. */
static void manager_expect(int fd, const char *part, char *text, size_t size)
{
    do CHECK(manager_hears(fd, PATIENCE_MS, text, size));
    while (!strstr(text, part));
}

/* Others fill its queue: what it has to know comes when it has time, and in order. */
static void test_notify_full(void)
{
    char name[128], text[512];
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    for (int with_supervisor = 0; with_supervisor < 2; with_supervisor++) {
        snprintf(name, sizeof name, "%s/full-%d", root, with_supervisor);
        int manager = manager_open(name), other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        CHECK(other >= 0);
        memcpy(to.sun_path, name, strlen(name) + 1);
        while (sendto(other, "X=1", 3, 0, (struct sockaddr *)&to, sizeof to) == 3) continue;
        const char *flags[] = {with_supervisor ? "--supervise" : NULL, NULL};
        start(flags);
        int asked = ask("/pid");
        read_answer(asked, text, sizeof text); /* it serves, and has tried to say so, or is about to */
        if (with_supervisor) CHECK(kill(server.pid, SIGHUP) == 0);
        usleep(300000);
        /* SIGHUP may reach the supervisor before its first worker has said that it is ready: then that comes second. */
        for (int ready = 0, reloading = 0; ready < 1 + with_supervisor || reloading < with_supervisor;) {
            CHECK(manager_hears(manager, PATIENCE_MS, text, sizeof text));
            reloading += strstr(text, "RELOADING=1") != NULL;
            ready += strncmp(text, "READY=1", 7) == 0;
        }
        CHECK(strncmp(text, "READY=1", 7) == 0); /* of the worker that serves after all of it */
        CHECK(kill(server.pid, SIGTERM) == 0);
        manager_expect(manager, "STOPPING=1", text, sizeof text);
        CHECK_INT(served_stop(&server, 0), 0);
        close(manager);
        close(other);
    }
    CHECK(unsetenv("NOTIFY_SOCKET") == 0);
}

static void test_notify(void)
{
    char name[128], text[512], main_pid[64];
    for (int with_supervisor = 0; with_supervisor < 2; with_supervisor++) {
        if (with_supervisor)
            snprintf(name, sizeof name, "@stepwell-test-%lld", (long long)getpid());
        else
            snprintf(name, sizeof name, "%s/manager", root);
        int manager = manager_open(name);
        /* A supervisor acts on it: under a checker on a busy machine a loop needs its time. */
        CHECK(setenv("WATCHDOG_USEC", with_supervisor ? "5000000" : "200000", 1) == 0);
        const char *flags[] = {"--loops", "2", with_supervisor ? "--supervise" : NULL, NULL};
        start(flags);
        CHECK(unsetenv("NOTIFY_SOCKET") == 0 && unsetenv("WATCHDOG_USEC") == 0);
        manager_expect(manager, "READY=1", text, sizeof text);
        CHECK(strstr(text, "STATUS=") != NULL);
        snprintf(main_pid, sizeof main_pid, "MAINPID=%lld\n", (long long)server.pid);
        CHECK(!with_supervisor || strstr(text, main_pid));
        for (int i = 0; i < 3; i++) manager_expect(manager, "WATCHDOG=1", text, sizeof text);
        /* One loop hangs: silence, though the other one and the main thread go on; a supervisor ends the worker. */
        set(&seen->spin, 1);
        int spinning = ask("/spin");
        while (!load(&seen->spinning)) nap();
        if (with_supervisor) {
            manager_expect(manager, "STATUS=worker was ended by signal", text, sizeof text);
            set(&seen->spin, 0);
            close(spinning);
            manager_expect(manager, "READY=1", text, sizeof text);
        } else {
            while (manager_hears(manager, 1500, text, sizeof text)) CHECK(load(&seen->spinning) == 1);
            set(&seen->spin, 0);
            read_answer(spinning, text, sizeof text);
        }
        manager_expect(manager, "WATCHDOG=1", text, sizeof text);
        if (with_supervisor) {
            manager_catch_up(manager);
            CHECK(kill(server.pid, SIGHUP) == 0);
            manager_expect(manager, "RELOADING=1\nMONOTONIC_USEC=", text, sizeof text);
            manager_expect(manager, "READY=1", text, sizeof text);
            manager_expect(manager, "WATCHDOG=1", text, sizeof text);
        }
        manager_catch_up(manager);
        CHECK(kill(server.pid, SIGTERM) == 0);
        manager_expect(manager, "STOPPING=1", text, sizeof text);
        CHECK_INT(served_stop(&server, 0), 0);
        close(manager);
    }
}

/* Reads the server's log up to and with the next place where it says this. What a slow reader finds behind that is for
 * the next call. */
static void await_log(const char *text)
{
    size_t len = strlen(said);
    const char *at;
    while (!(at = strstr(said, text))) {
        struct pollfd p = {.fd = server.log, .events = POLLIN};
        CHECK(poll(&p, 1, PATIENCE_MS) == 1 && len < sizeof said - 1);
        ssize_t n = read(server.log, said + len, sizeof said - 1 - len);
        CHECK(n > 0);
        said[len += (size_t)n] = 0;
    }
    memmove(said, at + strlen(text), strlen(at + strlen(text)) + 1);
}

/* Asked a second time it does not wait for a worker that does not end. */
static void test_stop_twice(void)
{
    start(supervised);
    set(&seen->spin, 1);
    int spinning = ask("/spin");
    while (load(&seen->spinning) == 0) nap();
    CHECK(kill(server.pid, SIGTERM) == 0);
    await_log("draining");
    CHECK_INT(served_stop(&server, SIGTERM), 1);
    close(spinning);
}

static void put_program(const char *path, const char *text)
{
    CHECK(unlink(path) == 0 || errno == ENOENT);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fchmod(fileno(f), 0700) == 0 && fclose(f) == 0);
}

/* What would not start is found out before the worker that serves lets go. */
static void test_trial(void)
{
    char program[128], script[5000], real[PATH_MAX], called[sizeof served_program];
    snprintf(program, sizeof program, "%s/program", root);
    memcpy(called, served_program, sizeof called);
    CHECK(realpath(called, real) != NULL);
    CHECK(symlink(real, program) == 0);
    memcpy(served_program, program, sizeof program);
    start((const char *const[]){"--supervise", NULL});
    pid_t worker = worker_pid();
    put_program(program, "no program at all");
    CHECK(kill(server.pid, SIGHUP) == 0);
    await_log("goes on");
    snprintf(script, sizeof script, "#!/bin/sh\nshift\nexec '%s' --serve --no-such-flag \"$@\"\n", real);
    put_program(program, script);
    CHECK(kill(server.pid, SIGHUP) == 0);
    await_log("unknown flag --no-such-flag");
    await_log("goes on");
    CHECK_INT(worker_pid(), worker);
    CHECK(unlink(program) == 0 && kill(server.pid, SIGHUP) == 0);
    await_log("goes on");
    CHECK_INT(worker_pid(), worker);
    CHECK(symlink(real, program) == 0 && kill(server.pid, SIGHUP) == 0);
    await_log("is ready");
    CHECK(worker_pid() != worker);
    memcpy(served_program, called, sizeof called);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* However many arguments it was started with, its workers get them all. */
static void test_many_arguments(void)
{
    answer a;
    CHECK(setenv("MANY_ARGUMENTS", "1", 1) == 0);
    start(supervised);
    CHECK(unsetenv("MANY_ARGUMENTS") == 0);
    char url[128];
    snprintf(url, sizeof url, "%s/_sw/metrics", server.address);
    call(NULL, url, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 401);
    call(NULL, url, (const char *const[]){"Authorization: Bearer last", NULL}, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"SIGHUP with a program that would not start", test_trial},
                                   {"a dead worker is replaced, connections wait", test_dead_worker},
                                   {"a crash loop backs off", test_crash_loop},
                                   {"SIGHUP replaces the worker", test_upgrade},
                                   {"SIGTERM and SIGINT drain and end", test_stop},
                                   {"a second SIGTERM ends it at once, with 1", test_stop_twice},
                                   {"a worker without supervisor drains", test_supervisor_dies},
                                   {"what keeps it from starting", test_refusals},
                                   {"sockets of a service manager", test_activation},
                                   {"the service manager is told", test_notify},
                                   {"the service manager is told when it has time", test_notify_full},
                                   {"thousands of arguments", test_many_arguments}};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--serve") == 0) {
        const char *plan = getenv("HAND_OVER");
        if (plan) {
            hand_over(plan);
            unsetenv("HAND_OVER");
            execv(argv[0], argv);
            _exit(127);
        }
        argv[1] = argv[0];
        return serve(argc - 1, argv + 1);
    }
    snprintf(served_program, sizeof served_program, "%s", argv[0]);
    make_folder(root);
    char file[128];
    snprintf(file, sizeof file, "%s/notes", root);
    CHECK(setenv("NOTES", file, 1) == 0);
    seen = share_memory(file, sizeof *seen);
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    remove_tree(root);
    return result;
}
