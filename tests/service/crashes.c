/* A run that kills its process is stopped and named after three times, whichever way it kills; everybody else's runs go
 * on and end; a release gives it another chance. With and without a supervisor. */
#include <pthread.h>
#include <time.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { INNOCENTS = 50, STEPS = 5, DEATHS = 3 };

typedef struct notes {
    volatile bool harmless;
    volatile unsigned attempts, stumbles;
} notes;
static notes *seen;

static unsigned count(volatile unsigned *n) { return __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST); }

/* ---- The program ---- */

static volatile int zero;

/* Lets the handler's own frame stay: a fault must not be optimised away. */
static __attribute__((noinline)) void die(const char *how)
{
    int *volatile nowhere = NULL;
    if (strcmp(how, "segv") == 0) *nowhere = 1;
    if (strcmp(how, "abort") == 0) abort();
    if (strcmp(how, "exit") == 0) exit(3);
    if (strcmp(how, "fpe") == 0) raise(SIGFPE);
    if (strcmp(how, "ill") == 0) __builtin_trap();
    if (strcmp(how, "bus") == 0) {
        char name[] = "/tmp/stepwell-bus-XXXXXX";
        int fd = mkstemp(name);
        unlink(name);
        volatile char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        *p = 1; /* behind the end of the file */
    }
    if (strcmp(how, "sys") == 0) raise(SIGSYS);
}

static __attribute__((noinline)) int deep(int n)
{
    volatile char frame[512];
    frame[0] = (char)n;
    return zero ? 0 : deep(n + 1) + frame[0];
}

static void *die_on_thread(void *how)
{
    die(how);
    return NULL;
}

static void *deep_on_thread(void *arg)
{
    zero = deep(0) & 0;
    return arg;
}

static sw_value charge(sw_ctx *c, sw_value value)
{
    const char *how = sw_cstr(c, value);
    count(&seen->attempts);
    if (seen->harmless) return value;
    if (strcmp(how, "blocking") == 0)
        (void)sw_blocking(c, die_on_thread, (void *)(uintptr_t)"segv");
    else if (strcmp(how, "deep-blocking") == 0)
        (void)sw_blocking(c, deep_on_thread, NULL);
    else if (strcmp(how, "deep") == 0)
        return sw_int(deep(0));
    else if (strcmp(how, "stream") == 0)
        sw_push_chunk(c, sw_str(c, "before it dies"));
    die(strcmp(how, "stream") == 0 ? "abort" : how);
    return value;
}

static void on_poison(sw_ctx *c)
{
    const char *how = sw_query(c, "how");
    sw_sleep(c, "moment", 300);
    if (strcmp(how, "between") == 0 && !seen->harmless) die("segv");
    sw_step(c, "charge", charge, sw_str(c, how));
    sw_reply_text(c, 200, "harmless");
}

static sw_value slow(sw_ctx *c, sw_value v)
{
    sw_sleep(c, "slow", 60);
    return v;
}

static void on_innocent(sw_ctx *c)
{
    for (int i = 0; i < STEPS; i++) sw_step(c, "slow", slow, sw_int(i));
    sw_reply_text(c, 200, "innocent");
}

/* Dies once in each of its steps: it gets on. */
static sw_value stumble(sw_ctx *c, sw_value v)
{
    (void)c;
    if (count(&seen->stumbles) % 2 == 1) die("segv");
    return v;
}

static void on_stumble(sw_ctx *c)
{
    sw_sleep(c, "moment", 300);
    for (int i = 0; i < STEPS; i++) sw_step_with(c, "stumble", stumble, sw_int(i), &(sw_step_options){.sync = true});
    sw_reply_text(c, 200, "arrived");
}

/* Children that die, each in its way. */
static sw_value fork_some(sw_ctx *c, sw_value v)
{
    static const char *const ways[] = {"segv", "abort"};
    (void)c;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        pid_t pid = fork();
        if (pid == 0) die(ways[i]);
        (void)waitpid(pid, NULL, 0);
    }
    return v;
}

static void on_fork(sw_ctx *c)
{
    for (int i = 0; i < DEATHS; i++) sw_step(c, "fork", fork_some, sw_nil());
    while (!seen->harmless) sw_step(c, "slow", slow, sw_int(1));
    sw_reply_text(c, 200, "forked");
}

static void on_long(sw_ctx *c)
{
    sw_step(c, "slow", slow, sw_int(0));
    while (!seen->harmless) sw_step(c, "slow", slow, sw_int(1));
    sw_reply_text(c, 200, "long");
}

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("crashes");
    sw_endpoint(app, "POST /poison", on_poison, NULL);
    sw_endpoint(app, "POST /innocent", on_innocent, NULL);
    sw_endpoint(app, "POST /stumble", on_stumble, NULL);
    sw_endpoint(app, "POST /long", on_long, NULL);
    sw_endpoint(app, "POST /fork", on_fork, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static char data[128], said[8192], text[4096], outputs[INNOCENTS][1024];
static answer a;

static void start_with(const char *flag, const char *value)
{
    const char *const flags[] = {"--data", data, "--dev", "--loops", "2", "--hold", "30s", flag, value, NULL};
    int exit_code;
    CHECK(served_try(&server, flags, said, sizeof said, &exit_code));
}

static void start(void) { start_with(NULL, NULL); }
static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static void in_folder(const char *name)
{
    snprintf(data, sizeof data, "%s/%s", root, name);
    memset(seen, 0, sizeof *seen);
}

/* Waits until the process has died by a signal of its own; what it said last goes to `text`. */
static int wait_death(void)
{
    int status = 0;
    size_t len = 0;
    for (ssize_t n; len < sizeof text - 1 && (n = read(server.log, text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)n;
    text[len] = 0;
    CHECK(waitpid(server.pid, &status, 0) == server.pid);
    close(server.log);
    return WIFSIGNALED(status) ? WTERMSIG(status) : SANITIZED ? SIGSEGV : -1; /* a sanitizer ends it by itself */
}

static void begin(const char *path, char output[1024]) { server_begin("POST", path, output, 1024); }

static void id_of(const char *output, char id[32]) { snprintf(id, 32, "%.26s", strstr(output, "/runs/") + 6); }

static const char *path_of(const char *id, const char *what)
{
    static char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s%s", id, what);
    return path;
}

static void wait_state(const char *id, const char *state)
{
    for (int i = 0; i < PATIENCE_MS / 20; i++) {
        bool answered = call_try(NULL, server_url(path_of(id, "")), NULL, NULL, 0, &a);
        if (answered && strstr(a.body, state)) return;
        usleep(20000);
    }
    printf("# %s\n", a.body);
    CHECK(!"the run does not come to that state");
}

static void output_is(const char *output, long status, const char *part)
{
    call(NULL, server_url(output), NULL, NULL, 0, &a);
    if (a.status != status || !strstr(a.body, part)) printf("# %ld %s\n", a.status, a.body);
    CHECK_INT(a.status, status);
    CHECK(strstr(a.body, part));
}

/* What the run's page must say of a run that was stopped for its crashes. */
static void check_stopped(const char *id, const char *output, int number, bool in_step)
{
    char signal_text[64];
    wait_state(id, "\"state\":\"stopped\",\"reason\":\"crashes\"");
    int crashes = 0;
    for (const char *at = a.body; (at = strstr(at, "\"kind\":\"crashed\"")); at++) crashes++;
    CHECK_INT(crashes, DEATHS);
    CHECK(strstr(a.body, "\"kind\":\"stopped\""));
    snprintf(signal_text, sizeof signal_text, number ? "by signal %d" : "by a call of exit()", number);
    CHECK(strstr(a.body, signal_text));
    if (in_step) CHECK(strstr(a.body, "in step \\\"charge\\\""));
    output_is(output, 503, "\"reason\":\"crashes\"");
}

static void release(const char *id, const char *output)
{
    seen->harmless = true;
    call("POST", server_url(path_of(id, "/release")), NULL, "", 0, &a);
    CHECK_INT(a.status, 200);
    output_is(output, 200, "harmless");
    wait_state(id, "\"state\":\"succeeded\"");
}

static void poisons(const char *how, int number)
{
    char path[64], output[1024], id[32], ended[32];
    in_folder(how);
    snprintf(path, sizeof path, "/poison?how=%s", how);
    start();
    begin(path, output);
    id_of(output, id);
    for (int i = 0; i < DEATHS; i++) {
        if (i > 0) start();
        int died_by = wait_death();
        if (!SANITIZED) CHECK_INT(died_by, number > 0 ? number : -1);
        CHECK(strstr(said, id) || strstr(text, id)); /* the log names it, before or after it says that it listens */
    }
    start();
    call(NULL, server_url("/_sw/process"), NULL, NULL, 0, &a);
    snprintf(ended, sizeof ended, "\"endedByRuns\":%d,", DEATHS);
    CHECK(SANITIZED || strstr(a.body, ended));
    check_stopped(id, output, number, strcmp(how, "between") != 0);
    usleep(500000); /* nothing of it begins */
    unsigned attempts = seen->attempts;
    CHECK_INT(attempts, strcmp(how, "between") == 0 ? 0 : DEATHS);
    stop();
    start();
    check_stopped(id, output, number, strcmp(how, "between") != 0);
    release(id, output);
    stop();
}

static void test_segv(void) { poisons("segv", SIGSEGV); }
static void test_abort(void) { poisons("abort", SIGABRT); }
static void test_fpe(void) { poisons("fpe", SIGFPE); }
static void test_ill(void) { poisons("ill", SIGILL); }
static void test_bus(void) { poisons("bus", SIGBUS); }
static void test_sys(void) { poisons("sys", SIGSYS); }
static void test_blocking(void) { poisons("blocking", SIGSEGV); }
static void test_between(void) { poisons("between", SIGSEGV); }
static void test_exit(void) { poisons("exit", 0); }
static void test_deep(void) { poisons("deep", SIGSEGV); }
static void test_deep_blocking(void) { poisons("deep-blocking", SIGSEGV); }
static void test_stream(void) { poisons("stream", SIGABRT); }

/* A connection that has not waited for --keep-after yet ends with the worker. */
static void innocents_end(void)
{
    for (int i = 0; i < INNOCENTS; i++) {
        bool answered = false;
        for (int tries = 0; tries < PATIENCE_MS / 50 && !answered; tries++) {
            if (tries > 0) usleep(50000);
            answered = call_try(NULL, server_url(outputs[i]), NULL, NULL, 0, &a);
        }
        CHECK(answered);
        CHECK_INT(a.status, 200);
        CHECK_STR(a.body, "innocent");
    }
}

static void begin_all(char poison[1024])
{
    for (int i = 0; i < INNOCENTS; i++) begin("/innocent", outputs[i]);
    begin("/poison?how=segv", poison);
}

static void test_innocents(void)
{
    char poison[1024], id[32];
    in_folder("innocents");
    start();
    begin_all(poison);
    id_of(poison, id);
    for (int i = 0; i < DEATHS; i++) {
        if (i > 0) start();
        CHECK(wait_death() > 0);
    }
    start();
    innocents_end();
    check_stopped(id, poison, SIGSEGV, true);
    call(NULL, server_url("/_sw/metrics"), NULL, NULL, 0, &a);
    CHECK(strstr(a.body, "\nstepwell_runs_stopped 1\n"));
    release(id, poison);
    stop();
}

/* The log is read all the time: the supervisor and its workers would else wait for room in the pipe. */
static void *drop_log(void *arg)
{
    char bytes[4096];
    while (read(*(int *)arg, bytes, sizeof bytes) > 0) continue;
    return NULL;
}

static void test_supervised(void)
{
    char poison[1024], id[32];
    pthread_t reader;
    in_folder("supervised");
    start_with("--supervise", NULL);
    int log = dup(server.log);
    CHECK(pthread_create(&reader, NULL, drop_log, &log) == 0);
    begin_all(poison);
    id_of(poison, id);
    innocents_end();
    check_stopped(id, poison, SIGSEGV, true);
    release(id, poison);
    stop();
    CHECK(pthread_join(reader, NULL) == 0);
    close(log);
}

/* A run that dies, but gets on between its deaths, is none that has to be stopped. */
static void test_progress(void)
{
    char output[1024];
    in_folder("progress");
    start();
    begin("/stumble", output);
    for (int i = 0; i < STEPS; i++) {
        CHECK(wait_death() > 0);
        start();
    }
    output_is(output, 200, "arrived");
    stop();
}

static FILE *crashes_file(const char *mode)
{
    char path[256];
    snprintf(path, sizeof path, "%s/crashes", data);
    FILE *f = fopen(path, mode);
    CHECK(f);
    return f;
}

/* A start may be killed between entering the records and emptying the file; and a full disk may have cut one off. */
static void test_entered_once(void)
{
    char output[1024], id[32], bytes[4096];
    in_folder("once");
    start();
    begin("/poison?how=segv", output);
    id_of(output, id);
    CHECK(wait_death() > 0);
    FILE *f = crashes_file("r");
    size_t len = fread(bytes, 1, sizeof bytes - 100, f);
    CHECK(len > 0 && fclose(f) == 0);
    for (int i = 0; i < DEATHS; i++) {
        start_with("--no-resume", NULL);
        wait_state(id, "\"crashes\":1,");
        stop();
        memset(bytes + len, 'x', 100);
        f = crashes_file("w");
        CHECK(fwrite(bytes, 1, len + 100, f) == len + 100 && fclose(f) == 0);
    }
    start_with("--no-resume", NULL);
    release(id, output);
    stop();
}

/* Whoever kills the process from outside says nothing of its runs. */
static void test_killed(void)
{
    static const int signals[] = {SIGKILL, SIGABRT, SIGSEGV, SIGKILL, SIGABRT, SIGSEGV};
    char output[1024], id[32];
    in_folder("killed");
    start();
    begin("/long", output);
    id_of(output, id);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        usleep(100000);
        int ended_by = served_stop(&server, signals[i]);
        if (!SANITIZED) CHECK_INT(ended_by, -signals[i]);
        start();
    }
    call(NULL, server_url(path_of(id, "")), NULL, NULL, 0, &a);
    CHECK(strstr(a.body, "\"state\":\"running\"") && !strstr(a.body, "crashed"));
    seen->harmless = true;
    output_is(output, 200, "long");
    stop();
}

static void test_children(void)
{
    char output[1024], id[32];
    in_folder("children");
    start();
    begin("/fork", output);
    id_of(output, id);
    wait_state(id, "\"id\":\"slow\"");
    FILE *f = crashes_file("r");
    CHECK(fgetc(f) == EOF && fclose(f) == 0);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start();
    wait_state(id, "\"state\":\"running\"");
    CHECK(!strstr(a.body, "crashed"));
    seen->harmless = true;
    output_is(output, 200, "forked");
    stop();
}

static const check_case cases[] = {{"a write to nowhere", test_segv},
                                   {"abort", test_abort},
                                   {"a division's signal", test_fpe},
                                   {"an instruction that is none", test_ill},
                                   {"a mapping behind the end of its file", test_bus},
                                   {"a system call that is forbidden", test_sys},
                                   {"on a thread of sw_blocking", test_blocking},
                                   {"exit", SANITIZED ? NULL : test_exit},
                                   {"between steps", test_between},
                                   {"a stack that is used up", test_deep},
                                   {"a stack of sw_blocking that is used up", test_deep_blocking},
                                   {"a step that streams before it dies", test_stream},
                                   {"beside fifty innocents", test_innocents},
                                   {"beside fifty innocents, supervised", test_supervised},
                                   {"deaths with progress between them stop nobody", test_progress},
                                   {"a crash that was entered already counts once", test_entered_once},
                                   {"children of a handler that die stop nobody", SANITIZED ? NULL : test_children},
                                   {"signals from outside stop nobody", test_killed}};

SERVED_MAIN_NOTES(serve, seen, cases)
