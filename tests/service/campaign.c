/* A campaign of kills: the worker, the supervisor or both are killed again and again under a mixed load; when all has
 * come to its end, what clients got is compared with what the steps did to the world. Nothing may be lost, nothing done
 * twice, nobody's run stopped. Without arguments a short one; else
 *
 *   service_campaign [--kills N] [--clients N] [--seed N] [--strays N]
 *
 * Strays are runs with SW_CANCEL that went on although their client had gone: there may be no more than --strays, 0.
 *
 * A failed one says which seed it had: the same seed makes the same requests and kills, though not in the same
 * moments. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include "tests/service/campaign_client.h"

enum {
    CLIENTS_MAX = 200,
    KILLS_IN_A_ROW = 3, /* the supervisor waits longer after each: then the worker is replaced, which it forgives */
    KILL_APART_MS = 250
};

static int kills_wanted = 30, clients_wanted = 40;
static uint64_t seed = 1;
static char folder[128], ledger_path[128], log_path[128];

/* ---- Processes ---- */

static pid_t supervisor;
/* From the death of a supervisor to the end of its worker, which sends everybody on. */
static struct drain {
    int64_t from_ms, to_ms;
} drains[4096];
static int drain_count;
static long killed_workers, killed_supervisors, replaced;

static void start_program(void)
{
    supervisor = fork();
    CHECK(supervisor >= 0);
    if (supervisor == 0) {
        const char *argv[] = {served_program,
                              "--serve",
                              "--listen",
                              address_text,
                              "--data",
                              folder,
                              "--supervise",
                              "--dev",
                              "--admin-on-public",
                              "--admin-listen",
                              "none",
                              "--loops",
                              "2",
                              "--keep-after",
                              "20ms",
                              "--park-after",
                              "100ms",
                              "--drain",
                              "500ms",
                              "--redirect-after",
                              "300ms",
                              "--hold",
                              "2s",
                              "--keep-max",
                              "1000",
                              "--heartbeat",
                              "200ms",
                              "--steps-max",
                              "100000",
                              "--backup-dir",
                              root,
                              NULL};
        int log = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && log >= 0 && dup2(log, STDERR_FILENO) >= 0);
        execv(served_program, (char **)(uintptr_t)argv);
        _exit(127);
    }
}

static pid_t worker_now(void)
{
    char path[64];
    long long worker = 0;
    snprintf(path, sizeof path, "/proc/%lld/task/%lld/children", (long long)supervisor, (long long)supervisor);
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    if (fscanf(f, "%lld", &worker) != 1) worker = 0;
    fclose(f);
    return (pid_t)worker;
}

/* Orphans become ours: waits until a worker without supervisor has drained, since it has the folder. */
static void await_all_ended(void)
{
    while (wait(NULL) > 0 || errno == EINTR) continue;
    CHECK(errno == ECHILD);
}

static pid_t pid_served(void)
{
    conn c = {.fd = -1};
    reply r;
    pid_t pid = 0;
    do {
        conn_open(&c, 0);
        conn_say(&c, "GET /pid HTTP/1.1\r\nHost: x\r\n\r\n");
    } while (!conn_read_reply(&c, &r, 0));
    if (r.status == 200) pid = (pid_t)strtoll(r.body, NULL, 10);
    conn_close(&c);
    conn_free(&c);
    return pid;
}

static void replace_worker(void)
{
    pid_t before = pid_served();
    CHECK(kill(supervisor, SIGHUP) == 0);
    while (pid_served() == before) usleep(5000);
    replaced++;
}

static void kill_supervisor(bool worker_too)
{
    pid_t worker = worker_now();
    CHECK(drain_count < (int)(sizeof drains / sizeof *drains));
    struct drain *d = &drains[drain_count++];
    d->from_ms = now_ms();
    CHECK(kill(supervisor, SIGKILL) == 0);
    if (worker_too && worker > 0 && kill(worker, SIGKILL) == 0) killed_workers++;
    killed_supervisors++;
    await_all_ended();
    d->to_ms = now_ms();
    start_program();
}

static bool kill_worker(void)
{
    pid_t worker = worker_now();
    if (worker <= 0 || kill(worker, SIGKILL) != 0) return false;
    killed_workers++;
    (void)__atomic_add_fetch(&kill_count, 1, __ATOMIC_SEQ_CST);
    while (worker_now() == worker) usleep(1000);
    return true;
}

static void kill_some(void)
{
    uint64_t random = seed;
    for (int in_a_row = 0; killed_workers + killed_supervisors < kills_wanted;) {
        usleep((useconds_t)(next_random(&random) % KILL_APART_MS * 1000));
        uint64_t what = next_random(&random) % 10;
        if (what >= 8) {
            kill_supervisor(what == 9);
            in_a_row = 0;
        } else if (kill_worker() && ++in_a_row == KILLS_IN_A_ROW) {
            replace_worker();
            in_a_row = 0;
        }
    }
}

/* ---- The end ---- */

/* The URL may have come between its last look and its end: then the run goes on alone, as it should. */
static bool left_in_drain(const request *q)
{
    for (int i = 0; i < drain_count; i++)
        if (drains[i].from_ms <= q->ended_ms && drains[i].to_ms >= q->ended_ms) return true;
    return false;
}

static long metric(const char *name)
{
    char line[96];
    conn c = {.fd = -1};
    reply r;
    conn_open(&c, 0);
    conn_say(&c, "GET /_sw/metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    CHECK(conn_read_reply(&c, &r, 0) && r.status == 200);
    snprintf(line, sizeof line, "\nstepwell_%s ", name);
    const char *at = strstr(r.body, line);
    CHECK(at);
    long value = strtol(at + strlen(line), NULL, 10);
    conn_close(&c);
    conn_free(&c);
    return value;
}

static void cancel_run(const char *id)
{
    conn c = {.fd = -1};
    reply r;
    conn_open(&c, 0);
    conn_say(&c, "DELETE /_sw/runs/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", id);
    CHECK(conn_read_reply(&c, &r, 0) && (r.status == 200 || r.status == 202 || r.status == 409));
    conn_close(&c);
    conn_free(&c);
}

static const char *text_after(const char *line, const char *key, char *out, size_t size)
{
    const char *at = strstr(line, key);
    out[0] = 0;
    if (at) snprintf(out, size, "%.*s", (int)strcspn(at + strlen(key), "\",}"), at + strlen(key));
    return out;
}

typedef void (*run_fn)(size_t n, const char *id, const char *state, const char *line);

/* Every run of the journal, with its line of the list. */
static void each_run(run_fn fn)
{
    char before[96] = "", id[64], state[32], target[128];
    conn c = {.fd = -1};
    reply r;
    for (bool more = true; more;) {
        conn_open(&c, 0);
        conn_say(&c, "GET /_sw/runs?limit=500%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", before);
        CHECK(conn_read_reply(&c, &r, 0) && r.status == 200);
        more = false;
        for (char *at = strstr(r.body, "{\"runId\":\""), *next; at; at = next) {
            next = strstr(at + 1, "{\"runId\":\"");
            if (next) next[-1] = 0;
            text_after(at, "\"runId\":\"", id, sizeof id);
            text_after(at, "\"state\":\"", state, sizeof state);
            text_after(at, "\"target\":\"", target, sizeof target);
            const char *n = strchr(target + 1, '/');
            CHECK(n);
            fn((size_t)strtoull(n + 1, NULL, 10), id, state, at);
            snprintf(before, sizeof before, "&before=%s", id);
            more = true;
            if (next) next[-1] = '\n';
        }
        conn_close(&c);
    }
    conn_free(&c);
}

static void end_sent_on(size_t n, const char *id, const char *state, const char *line)
{
    (void)line;
    bool goes_on = strcmp(state, "succeeded") != 0 && strcmp(state, "cancelled") != 0 && strcmp(state, "failed") != 0;
    if (goes_on && requests[n].kind == ENDLESS && requests[n].outcome == SENT_ON) cancel_run(id);
}

static void await_end(void)
{
    each_run(end_sent_on);
    for (int64_t until = now_ms() + PATIENCE_MS; metric("runs_unfinished") > 0; usleep(50000)) {
        if (now_ms() < until) continue;
        printf("# %ld runs do not end\n", metric("runs_unfinished"));
        return;
    }
}

/* ---- Judging ---- */

static seen_world world;
static long faults, listed, states[4]; /* succeeded, cancelled, failed, other */

__attribute__((format(printf, 1, 2))) static void fault(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (faults++ < 20) {
        printf("# ");
        vprintf(format, args);
        printf("\n");
    }
    va_end(args);
}

/* A run that nobody waits for is no loss: see --strays. */
static unsigned strays, unseen;
static unsigned long strays_most;

static void judge_stray(const request *q, const char *id)
{
    printf("# run %s went on although its client had gone at %lld\n", id, (long long)q->ended_ms);
    if (left_in_drain(q))
        unseen++;
    else
        strays++;
}

static bool found[REQUESTS_MAX]; /* in the journal: the run of this request */

static void judge_run(size_t n, const char *id, const char *state, const char *line)
{
    static const char *const names[] = {"succeeded", "cancelled", "failed"};
    size_t s = 0;
    char steps[24];
    CHECK(n < world.count);
    const request *q = &requests[n];
    const seen_run *r = &world.runs[n];
    while (s < 3 && strcmp(state, names[s]) != 0) s++;
    states[s]++;
    listed++;
    bool may_be_cancelled = q->kind == LONG || q->kind == TIED || q->kind == ENDLESS;
    if (s > 1 || (s == 1 && !may_be_cancelled)) fault("run %s (%s) is %s: %s", id, kind_names[q->kind], state, line);
    if (s == 0 && q->kind == ENDLESS && q->outcome != SENT_ON) judge_stray(q, id);
    if (found[n]) fault("request %zu (%s) has two runs, one is %s", n, kind_names[q->kind], id);
    if (r->id[0] && strcmp(r->id, id) != 0) fault("request %zu: steps of %s, run %s", n, r->id, id);
    found[n] = true;
    text_after(line, "\"stepsDone\":", steps, sizeof steps);
    if (s == 0 && steps[0] && strtoul(steps, NULL, 10) != r->count)
        fault("run %s (%s): %s steps are in the journal, %zu were done", id, kind_names[q->kind], steps, r->count);
}

/* The response is made of what the steps returned that ran last. */
static void judge_answer(size_t n)
{
    char expected[512];
    const request *q = &requests[n];
    const seen_run *r = &world.runs[n];
    const seen_step *s;
    int len = snprintf(expected, sizeof expected, "%zu %s", n, r->id);
    const char *const *names = steps_of(q->kind);
    for (; names && *names; names++) {
        if (!(s = seen_find(r, *names))) {
            fault("request %zu (%s) is answered without step %s", n, kind_names[q->kind], *names);
            return;
        }
        len += snprintf(expected + len, sizeof expected - (size_t)len, " %lld", (long long)s->value);
    }
    if (strcmp(q->text, expected) != 0)
        fault("request %zu (%s) got \"%s\", not \"%s\"", n, kind_names[q->kind], q->text, expected);
}

/* Nobody dies but by our hand. */
static void judge_log(void)
{
    static const char *const bad[] = {"Assertion", "Sanitizer", "runtime error", "was ended by signal",
                                      "ended with code"};
    static const char *const fine[] = {"was ended by signal 9 ", "ended with code 0\n"};
    char line[2048];
    FILE *f = fopen(log_path, "r");
    CHECK(f);
    while (fgets(line, sizeof line, f)) {
        bool is_bad = false, is_fine = strstr(line, fine[0]) || strstr(line, fine[1]);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) is_bad = is_bad || strstr(line, bad[i]);
        if (is_bad && !is_fine) fault("the log says: %.*s", (int)strcspn(line, "\n"), line);
    }
    fclose(f);
}

static void judge(size_t count)
{
    judge_log();
    seen_read(&world, ledger_path, count);
    each_run(judge_run);
    for (size_t n = 0; n < count; n++) {
        const request *q = &requests[n];
        if (q->outcome == ANSWERED && q->text) judge_answer(n);
        if (q->outcome == CANCELLED && q->kind != LONG) fault("request %zu: cancelled under its client", n);
        if (q->outcome == REFUSED && world.runs[n].id[0]) fault("request %zu was refused, and done", n);
        if (!found[n] && (world.runs[n].is_on_disk || world.runs[n].answered || (q->text && q->kind != PLAIN)))
            fault("request %zu (%s): its run is lost", n, kind_names[q->kind]);
        else if (!found[n] && world.runs[n].id[0])
            world.forgotten++;
        if (q->outcome == WRONG) fault("request %zu (%s) was answered wrongly", n, kind_names[q->kind]);
    }
    for (size_t n = 0; n < count; n++) free(requests[n].text);
    faults += world.twice + world.strangers;
}

/* ---- The whole ---- */

static void report(size_t count)
{
    static long tally[KINDS][OUTCOMES], survived[KINDS];
    for (size_t n = 0; n < count; n++) {
        tally[requests[n].kind][requests[n].outcome]++;
        survived[requests[n].kind] += requests[n].kills_survived > 0;
    }
    printf("# seed %llu: %ld workers and %ld supervisors killed, %ld workers replaced, %zu requests\n",
           (unsigned long long)seed, killed_workers, killed_supervisors, replaced, count);
    for (int k = 0; k < KINDS; k++) {
        printf("# %-10s", kind_names[k]);
        for (int o = 1; o < OUTCOMES; o++)
            if (tally[k][o]) printf(" %ld %s,", tally[k][o], outcome_names[o]);
        printf(" %ld on a connection that survived a kill\n", survived[k]);
    }
    printf("# runs: %ld succeeded, %ld cancelled, %ld failed, %ld other; %ld killed before they were on disk\n",
           states[0], states[1], states[2], states[3], world.forgotten);
    printf("# steps: %ld, attempts %ld; %ld ran again for want of a result on disk, %ld although it was there\n",
           world.steps, world.attempts, world.repeated, world.twice);
    printf("# streams: %ld frames in order and once, %ld times read on\n", frames_read, streams_resumed);
    printf("# strays: %u, and %u that left while a worker sent everybody on\n", strays, unseen);
    printf("# nothing lost, nothing twice: %s\n", faults == 0 ? "yes" : "NO");
}

static void test_campaign(void)
{
    static pthread_t threads[CLIENTS_MAX];
    static client clients[CLIENTS_MAX];
    printf("# seed %llu\n", (unsigned long long)seed);
    start_program();
    (void)pid_served();
    for (int i = 0; i < clients_wanted; i++) {
        clients[i] = (client){.random = seed * 1000 + (uint64_t)i, .conn.fd = -1};
        CHECK(pthread_create(&threads[i], NULL, client_run, &clients[i]) == 0);
    }
    kill_some();
    __atomic_store_n(&clients_stop, true, __ATOMIC_SEQ_CST);
    for (int i = 0; i < clients_wanted; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    size_t count = __atomic_load_n(&request_count, __ATOMIC_SEQ_CST);
    await_end();
    if (metric("runs_stopped") > 0) fault("%ld runs are stopped", metric("runs_stopped"));
    judge(count);
    report(count);
    CHECK_INT(faults, 0);
    CHECK(strays <= strays_most);
    seen_free(&world);
    CHECK(kill(supervisor, SIGTERM) == 0);
    await_all_ended();
}

/* The program is started anew at the same port. It stays bound, so that meanwhile the kernel gives it to nobody else; a
 * socket that does not listen is in nobody's way. */
static void choose_address(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CHECK(bind(fd, (struct sockaddr *)&at, len) == 0 && getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    address = at;
    snprintf(address_text, sizeof address_text, "127.0.0.1:%d", ntohs(at.sin_port));
}

static void read_flags(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        long long value = strtoll(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--kills") == 0) kills_wanted = (int)value;
        if (strcmp(argv[i], "--clients") == 0) clients_wanted = (int)value;
        if (strcmp(argv[i], "--seed") == 0) seed = (uint64_t)value;
        if (strcmp(argv[i], "--strays") == 0) strays_most = (unsigned long)value;
    }
    CHECK(clients_wanted > 0 && clients_wanted <= CLIENTS_MAX && seed > 0);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {{"nothing lost, nothing twice", test_campaign}};
    if (argc > 1 && strcmp(argv[1], "--serve") == 0) {
        argv[1] = argv[0];
        return campaign_serve(argc - 1, argv + 1);
    }
    read_flags(argc, argv);
    snprintf(served_program, sizeof served_program, "%s", argv[0]);
    make_folder(root);
    snprintf(folder, sizeof folder, "%s/data", root);
    snprintf(ledger_path, sizeof ledger_path, "%s/ledger", root);
    snprintf(log_path, sizeof log_path, "%s/log", root);
    CHECK(setenv("LEDGER", ledger_path, 1) == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    ledger_open();
    choose_address();
    int result = check_run(cases, 1, 1, argv);
    remove_tree(root);
    return result;
}
