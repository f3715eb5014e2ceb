/* A run that ends its process is found and stopped whichever way it does that, also when nothing tells of which run the
 * process died; hundreds of slow innocents beside it all end, and no step of theirs that was over begins again. What no
 * run brings about stops nobody. With and without a supervisor. */
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "runtime/stepwell.h"
#include "tests/harness/clock_faults.h"
#include "tests/service/poisoned.h"

enum {
    MANY = 500,
    FEW = 24,
    STEPS = 4,
    SLOW_MS = 400, /* a step of an innocent: longer than a poison needs */
    QUICK_MS = 60, /* one that gets on before it */
    MOMENT_MS = 150,
    DAY_MS = 86400000,
    STARTS_MAX = 12
};

typedef struct notes {
    volatile bool armed, harmless, hurry;
    volatile uint8_t begun[MANY]; /* of each innocent: the highest of its steps that has begun */
    volatile unsigned again;      /* steps that began after a later one */
    clocks_state clocks;
} notes;
static notes *seen;

#ifndef POISON_CGROUP
static const char KILLS_FILE[] = "/sys/fs/cgroup/memory.events";
#endif

/* ---- The program ---- */

static volatile int zero;

#ifdef POISON_CGROUP
/* The kernel ends the largest process of the cgroup. */
static void die_for_memory(void)
{
    enum { PIECE = 4 << 20 };
    for (char *p; (p = malloc(PIECE)) != NULL;) memset(p, 1, PIECE);
    CHECK(!"there is memory without end");
}
#else
/* As the kernel does it to who has no memory left: its count rises, then nothing of the process runs any more. */
static void die_for_memory(void)
{
    FILE *f = fopen(KILLS_FILE, "r+");
    int kills = 0;
    CHECK(f && fscanf(f, "oom %*d\noom_kill %d", &kills) == 1);
    rewind(f);
    CHECK(fprintf(f, "oom %d\noom_kill %d\n", kills + 1, kills + 1) > 0 && fclose(f) == 0);
    kill(getpid(), SIGKILL);
}
#endif

static void *crash_thread(void *arg)
{
    volatile int *nowhere = (volatile int *)(uintptr_t)zero;
    *nowhere = 1;
    return arg;
}

static __attribute__((noinline)) int deep(int n)
{
    volatile char frame[512];
    frame[0] = (char)n;
    return zero ? 0 : deep(n + 1) + frame[0];
}

/* It has no stack for a signal handler. */
static void *deep_thread(void *arg)
{
    zero = deep(0) & 0;
    return arg;
}

/* A library's own thread, of which nobody knows for which run it works. */
static void die_on_own_thread(void *(*fn)(void *))
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, fn, NULL) == 0);
    (void)pthread_join(thread, NULL);
}

static void die_without_room(void)
{
    const struct rlimit little = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    CHECK(setrlimit(RLIMIT_AS, &little) == 0);
    void *room = malloc(64 << 20);
    if (!room) abort();
    free(room);
}

static void *exit_at_once(void *arg)
{
    (void)arg;
    _exit(4);
}

static __attribute__((noinline)) void die(sw_ctx *c, const char *how)
{
    volatile int *nowhere = (volatile int *)(uintptr_t)zero;
    if (strcmp(how, "segv") == 0) *nowhere = 1;
    if (strcmp(how, "exit") == 0) exit(3);
    if (strcmp(how, "_exit") == 0) _exit(3);
    if (strcmp(how, "zero") == 0) _exit(0);
    if (strcmp(how, "blocking") == 0) (void)sw_blocking(c, exit_at_once, NULL);
    if (strcmp(how, "memory") == 0) die_for_memory();
    if (strcmp(how, "room") == 0) die_without_room();
    if (strcmp(how, "thread") == 0) die_on_own_thread(crash_thread);
    if (strcmp(how, "deep") == 0) die_on_own_thread(deep_thread);
    while (strcmp(how, "loop") == 0) zero = 0;
}

/* Others have the time to be loaded too. */
static sw_value charge(sw_ctx *c, sw_value value)
{
    while (!seen->armed) sw_sleep(c, "arm", 20);
    sw_sleep(c, "moment", MOMENT_MS);
    if (!seen->harmless) die(c, sw_cstr(c, value));
    return value;
}

static void on_poison(sw_ctx *c)
{
    const char *how = sw_query(c, "how");
    sw_step(c, "charge", charge, sw_str(c, how));
    sw_reply_text(c, 200, "harmless");
}

static sw_value slow(sw_ctx *c, sw_value v)
{
    int64_t who = sw_as_int(sw_at(v, 0), 0), step = sw_as_int(sw_at(v, 1), 0);
    if (seen->begun[who] > step) (void)__atomic_add_fetch(&seen->again, 1, __ATOMIC_SEQ_CST);
    seen->begun[who] = (uint8_t)step;
    int64_t ms = sw_as_int(sw_at(v, 2), 0);
    sw_sleep(c, "slow", ms);
    while (ms == 0 && !seen->hurry) sw_sleep(c, "slower", 50);
    return sw_int(step);
}

static void on_innocent(sw_ctx *c)
{
    int64_t who = strtoll(sw_query(c, "who"), NULL, 10), ms = strtoll(sw_query(c, "ms"), NULL, 10), sum = 0;
    for (int i = 1; i <= STEPS; i++) {
        sw_value v = sw_array(c, 3, sw_int(who), sw_int(i), sw_int(ms));
        sum += sw_as_int(sw_step_with(c, "slow", slow, v, &(sw_step_options){.sync = true}), 0);
    }
    sw_reply_text(c, 200, "innocent %lld: %lld", (long long)who, (long long)sum);
}

static void on_pid(sw_ctx *c) { sw_reply_text(c, 200, "%lld", (long long)getpid()); }

static void share_notes(void)
{
    seen = served_notes(sizeof *seen);
    clocks = &seen->clocks;
}

static int serve(int argc, char **argv)
{
    share_notes();
    sw_app *app = sw_app_new("poison");
    sw_endpoint(app, "POST /poison", on_poison, NULL);
    sw_endpoint(app, "POST /innocent", on_innocent, NULL);
    sw_route(app, "GET /pid", on_pid);
    return sw_main(app, argc, argv);
}

/* ---- The server ---- */

static char poison[1024], outputs[MANY][1024];
static answer a;

/* ---- Tests ---- */

static void in_folder(const char *name, bool supervised)
{
    snprintf(data, sizeof data, "%s/%s-%d", root, name, supervised);
    memset(seen, 0, sizeof *seen);
    is_supervised = supervised;
    log_forget();
}

static void begin_innocents(int from, int to, int ms)
{
    char path[64];
    for (int i = from; i < to; i++) {
        snprintf(path, sizeof path, "/innocent?who=%d&ms=%d", i, ms);
        begin(path, outputs[i]);
    }
}

/* The manager's part for a process without supervisor: it does not hear of the watchdog, and ends it. */
static void watch_over(unsigned *hangs)
{
    unsigned now = log_count("does not answer, it is kept by POST /poison: the watchdog is not told");
    if (is_supervised || now == *hangs) return;
    *hangs = now;
    (void)kill(server.pid, SIGABRT);
}

/* How often the process died until the poison was stopped. */
static unsigned deaths_until_stopped(void)
{
    unsigned deaths = 0, hangs = 0;
    for (int i = 0; i < PATIENCE_MS / 20; i++) {
        if (restart_if_dead()) deaths++;
        if (deaths > STARTS_MAX) break;
        watch_over(&hangs);
        /* A loop that hangs accepts, and does not answer. */
        if (log_count("stopped (crashes)") > 0 &&
            is_in_state(poison, "\"state\":\"stopped\",\"reason\":\"crashes\"", &a))
            return is_supervised ? log_count("supervisor: worker") / 2 : deaths;
        nap();
    }
    log_show();
    CHECK(!"the poison is not stopped");
    return 0;
}

static void innocents_end(int count)
{
    char expected[64];
    for (int i = 0; i < count; i++) {
        bool answered = false;
        for (int tries = 0; tries < PATIENCE_MS / 20 && !answered; tries++) {
            if (tries > 0) nap();
            answered = call_try(NULL, server_url(outputs[i]), NULL, NULL, 0, &a) && a.status != 303;
        }
        CHECK(answered);
        snprintf(expected, sizeof expected, "innocent %d: %d", i, STEPS * (STEPS + 1) / 2);
        CHECK_INT(a.status, 200);
        CHECK_STR(a.body, expected);
    }
    CHECK_INT(seen->again, 0);
    CHECK_INT(log_count("stopped ("), log_count("stopped (crashes)"));
}

static void release(void)
{
    char path[160];
    seen->harmless = true;
    snprintf(path, sizeof path, "%s/release", page_of(poison));
    call("POST", server_url(path), NULL, "", 0, &a);
    CHECK_INT(a.status, 200);
    call(NULL, server_url(poison), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "harmless");
}

/* Released, it does what it did: it has all its tries again, no more. */
static void stops_again(void)
{
    char path[160], stops[] = "\"kind\":\"stopped\"";
    unsigned found = log_count("the only suspect in memory");
    snprintf(path, sizeof path, "%s/release", page_of(poison));
    (void)call_try("POST", server_url(path), NULL, "", 0, &a); /* it may die before it answers */
    while (log_count("the only suspect in memory") == found) {
        (void)restart_if_dead();
        nap();
    }
    CHECK(deaths_until_stopped() <= 1);
    const char *first = strstr(a.body, stops);
    CHECK(first && strstr(first + 1, stops));
}

/* `why`: what its page must say. The poison begins after half of the innocents, or last. */
static void poisons(const char *how, bool supervised, int innocents, const char *why)
{
    char path[64];
    in_folder(how, supervised);
    start();
    int before = innocents == MANY ? innocents : innocents / 2;
    begin_innocents(0, before, SLOW_MS);
    snprintf(path, sizeof path, "/poison?how=%s", how);
    begin(path, poison);
    begin_innocents(before, innocents, QUICK_MS);
    seen->armed = true;
    unsigned deaths = deaths_until_stopped();
    if (!strstr(a.body, why)) printf("# %s\n", a.body);
    CHECK(strstr(a.body, why));
    CHECK(deaths >= 3);
    call(NULL, server_url(poison), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 503);
    CHECK(strstr(a.body, "\"reason\":\"crashes\""));
    innocents_end(innocents);
    CHECK_INT(log_count("the only suspect in memory"), strstr(why, "suspicion") != NULL);
    release();
    stop();
}

static const char SUSPECTED[] = "alone under suspicion";

static void test_memory(void)
{
    poisons("memory", false, MANY, "under suspicion: the kernel ended it for want of memory");
}
static void test_memory_supervised(void) { poisons("memory", true, FEW, SUSPECTED); }
static void test_thread(void) { poisons("thread", false, FEW, SUSPECTED); }

static void test_again(void)
{
    in_folder("again", false);
    start();
    begin("/poison?how=thread", poison);
    seen->armed = true;
    CHECK(deaths_until_stopped() >= 3);
    stops_again();
    release();
    stop();
}

static void test_thread_supervised(void) { poisons("thread", true, FEW, SUSPECTED); }
static void test_deep_supervised(void) { poisons("deep", true, FEW, SUSPECTED); }
static void test_exit_status(void) { poisons("_exit", true, FEW, "under suspicion: it exited with code 3"); }
static void test_exit_zero(void) { poisons("zero", true, FEW, "under suspicion: it exited with code 0"); }
static void test_blocking(void) { poisons("blocking", true, FEW, "under suspicion: it exited with code 4"); }
static void test_segv(void) { poisons("segv", true, MANY, "by signal 11"); }
static void test_exit(void) { poisons("exit", true, FEW, "by a call of exit()"); }
static void test_room(void) { poisons("room", true, FEW, "by signal 6"); }

static void with_watchdog(bool supervised)
{
    char name[160];
    snprintf(name, sizeof name, "%s/manager-%d", root, supervised);
    CHECK(setenv("NOTIFY_SOCKET", name, 1) == 0 && setenv("WATCHDOG_USEC", "2000000", 1) == 0);
    poisons("loop", supervised, FEW, "by signal 6");
    CHECK(unsetenv("NOTIFY_SOCKET") == 0 && unsetenv("WATCHDOG_USEC") == 0);
}

static void test_loop(void) { with_watchdog(false); }
static void test_loop_supervised(void) { with_watchdog(true); }

/* Innocents that do not get on are in memory as suspects when its turn comes, and nobody is stopped for that end: the
 * one that came last is the first at the next start. */
static void test_behind(void)
{
    enum { INNOCENTS = 3 };
    in_folder("behind", false);
    start();
    begin("/poison?how=thread", poison);
    begin_innocents(0, INNOCENTS, 0);
    seen->armed = true;
    CHECK(deaths_until_stopped() >= 3);
    CHECK_INT(log_count("the only suspect in memory"), 1);
    seen->hurry = true;
    innocents_end(INNOCENTS);
    release();
    stop();
}

static pid_t worker(void)
{
    while (restart_if_dead() || !call_try(NULL, server_url("/pid"), NULL, NULL, 0, &a) || a.status != 200) nap();
    return (pid_t)strtoll(a.body, NULL, 10);
}

/* Whoever kills from outside says nothing of the runs. */
static void kills(bool supervised, size_t count)
{
    static const int signals[] = {SIGKILL, SIGKILL, SIGABRT, SIGKILL, SIGSEGV, SIGBUS};
    in_folder("kills", supervised);
    start();
    begin_innocents(0, FEW, SLOW_MS);
    for (size_t i = 0; i < count; i++) {
        pid_t pid = worker();
        usleep(30000 * (useconds_t)(i % 5));
        /* A sanitizer takes others for the process's own, and ends it with a code. */
        CHECK(kill(pid, SANITIZED ? SIGKILL : signals[i % (sizeof signals / sizeof signals[0])]) == 0);
        while (worker() == pid) nap();
    }
    innocents_end(FEW);
    CHECK_INT(log_count("nobody knows of which run"), 0);
    CHECK_INT(log_count("one at a time"), 0);
    CHECK_INT(log_count("stopped ("), 0);
    stop();
}

static void test_kills(void) { kills(false, 6); }
static void test_kills_supervised(void) { kills(true, 5); }

/* Ends that have nothing to do with each other make no suspects. */
static void days_apart(bool asleep)
{
    in_folder(asleep ? "days-asleep" : "days-set", false);
    start();
    begin("/poison?how=thread", poison);
    begin_innocents(0, FEW, QUICK_MS);
    seen->armed = true;
    for (int i = 0; i < 4; i++) {
        while (!restart_if_dead()) nap();
        __atomic_fetch_add(asleep ? &clocks->slept_ms : &clocks->set_ms, asleep || i % 2 == 0 ? DAY_MS : -DAY_MS,
                           __ATOMIC_SEQ_CST);
    }
    CHECK(log_count("nobody knows of which run") >= 3); /* within ten minutes the second would have made suspects */
    CHECK_INT(log_count("one at a time"), 0);
    CHECK_INT(log_count("stopped ("), 0);
    seen->harmless = true;
    while (restart_if_dead() || !is_in_state(poison, "\"state\":\"succeeded\"", &a)) nap();
    innocents_end(FEW);
    stop();
}

static void test_days_asleep(void) { days_apart(true); }
static void test_days_set(void) { days_apart(false); }

/* Valgrind does not follow the servers, which are as in the other builds: it sees the test's own part, and has that
 * from some of the cases. */
#if defined(CORO_VALGRIND)
enum { IN_FULL = 0 };
#else
enum { IN_FULL = 1 };
#endif

static check_case cases[] = {
    {"out of memory, beside five hundred innocents", IN_FULL ? test_memory : NULL},
    {"out of memory, supervised", IN_FULL ? test_memory_supervised : NULL},
    {"a thread of its own that crashes", test_thread},
    {"released, it is stopped again", test_again},
    {"behind innocents that do not get on", test_behind},
    {"a thread of its own that crashes, supervised", test_thread_supervised},
    {"a thread of its own whose stack is used up, supervised", IN_FULL && !SANITIZED ? test_deep_supervised : NULL},
    {"_exit, supervised", IN_FULL ? test_exit_status : NULL},
    {"_exit with code 0, supervised", IN_FULL ? test_exit_zero : NULL},
    {"_exit on a thread of sw_blocking, supervised", IN_FULL ? test_blocking : NULL},
    {"a write to nowhere, supervised, beside five hundred innocents", test_segv},
    {"exit, supervised", IN_FULL && !SANITIZED ? test_exit : NULL},
    {"no room for memory", IN_FULL && !SANITIZED ? test_room : NULL}, /* a checker needs the room itself */
    {"an endless loop that the manager's watchdog ends", IN_FULL ? test_loop : NULL},
    {"an endless loop that the supervisor ends", IN_FULL ? test_loop_supervised : NULL},
    {"signals from outside stop nobody", test_kills},
    {"signals from outside stop nobody, supervised", test_kills_supervised},
    {"ends a day apart make no suspects", test_days_asleep},
    {"ends that the wall clock shows a day apart make no suspects", IN_FULL ? test_days_set : NULL},
};

#ifdef POISON_CGROUP
/* In a cgroup of its own, whose memory has a limit, with all processes that it starts. */
static const char CGROUP_LIMIT[] = "402653184"; /* bytes: room for 500 innocents and the program */

static char cgroup[128], cgroup_before[128];

static bool put_file(const char *folder, const char *file, const char *text)
{
    char path[192];
    (void)snprintf(path, sizeof path, "%s/%s", folder, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) close(fd);
    return written;
}

static bool enter_cgroup(const char *folder, const char *limit_file)
{
    (void)snprintf(cgroup_before, sizeof cgroup_before, "%s", folder);
    (void)snprintf(cgroup, sizeof cgroup, "%s/stepwell-test-%d", folder, (int)getpid());
    if (mkdir(cgroup, 0755) != 0) return false;
    if (put_file(cgroup, limit_file, CGROUP_LIMIT) && put_file(cgroup, "cgroup.procs", "0")) return true;
    (void)rmdir(cgroup);
    return false;
}

static void leave_cgroup(void)
{
    (void)put_file(cgroup_before, "cgroup.procs", "0");
    for (int i = 0; i < 100 && rmdir(cgroup) != 0; i++) nap(); /* ended processes leave it late */
}

/* False: nobody lets this program make one. */
static bool prepare(void)
{
    (void)put_file("/sys/fs/cgroup", "cgroup.subtree_control", "+memory");
    bool entered =
        enter_cgroup("/sys/fs/cgroup", "memory.max") || enter_cgroup("/sys/fs/cgroup/memory", "memory.limit_in_bytes");
    if (!entered) printf("1..0 # SKIP no memory cgroup can be made: %s\n", strerror(errno));
    if (entered) CHECK(atexit(leave_cgroup) == 0);
    for (size_t i = 2; i < sizeof cases / sizeof *cases; i++) cases[i].fn = NULL;
    return entered;
}
#else
/* A tmpfs in this program's own mount namespace stands for the kernel's cgroup files. */
static bool mount_kills(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, NULL) == 0;
}

/* Who may not have one cannot test what is read there. */
static void show_kills(void)
{
    if (!mount_kills()) {
        printf("# no mount: %s: want of memory is not tested\n", strerror(errno));
        cases[0].fn = cases[1].fn = NULL;
        return;
    }
    FILE *f = fopen(KILLS_FILE, "w");
    CHECK(f && fprintf(f, "oom 0\noom_kill 0\n") > 0 && fclose(f) == 0);
}

static bool prepare(void)
{
    show_kills();
    return true;
}
#endif

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--serve") == 0) {
        argv[1] = argv[0];
        return serve(argc - 1, argv + 1);
    }
    snprintf(served_program, sizeof served_program, "%s", argv[0]);
    if (!prepare()) return 0;
    make_folder(root);
    share_notes();
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    remove_tree(root);
    return result;
}
