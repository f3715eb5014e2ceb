/* The simulation: random programs, clients, faults and crashes on a disk in memory, all of it from one number, the
 * seed: which promises of Stepwell does it break? docs/internals/simulation.md says how to read what it prints.
 *
 *     simulation [--schedules N] [--from SEED]    many seeds; the first broken promise ends it
 *     simulation --seed N [--talk]                one; with all that happens
 *     simulation --bugs                           mistakes on purpose, in a build with -Dseeded_bugs=true
 *     simulation --bug N ...                      with one of them (bugs.sh: all, one after the other) */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coro/seeded_bug.h"
#include "tests/harness/check.h"
#include "tests/simulation/coverage.h"
#include "tests/simulation/epoch.h"
#include "tests/simulation/program.h"
#include "tests/simulation/promises.h"
#include "tests/simulation/schedule.h"

#if defined(CORO_VALGRIND)
enum { SCHEDULES = 20, REPEATED = 3 };
#else
enum { SCHEDULES = SANITIZED ? 200 : 2000, REPEATED = 20 };
#endif
enum { HANGS_S = 300, DOWN_MS = 30000, REHEARSALS = 5 };

#if defined(__SANITIZE_THREAD__)
/* Hundreds of processes end, each of which would wait for a second. */
const char *__tsan_default_options(void);
__attribute__((visibility("default"))) const char *__tsan_default_options(void) { return "atexit_sleep_ms=0"; }
#endif

/* How a process ended that neither drained, nor crashed by plan, nor broke a promise; NULL: it did one of these. */
static const char *surprise(int status)
{
    static char text[64];
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && w->left_with == WORLD_CRASHED) return NULL;
    if (WIFEXITED(status) &&
        (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == WORLD_CRASHED || WEXITSTATUS(status) == WORLD_BROKEN))
        return NULL;
    if (WIFSIGNALED(status))
        (void)snprintf(text, sizeof text, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        (void)snprintf(text, sizeof text, "exit code %d", WEXITSTATUS(status));
    return text;
}

static void run_epoch(bool talks)
{
    int status = 0;
    (void)fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (!talks) (void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        (void)alarm(HANGS_S);
        epoch_run();
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    memory_abandon(w->disk);
    coverage_add();
    if (surprise(status)) (void)snprintf(w->broken, sizeof w->broken, "lives: it died by itself: %s", surprise(status));
    w->crashes += w->left_with == WORLD_CRASHED;
    w->left_with = 0;
    w->steady_ns += world_between(RANDOM_LIVE, 0, DOWN_MS) * 1000000;
}

/* False: a promise was broken. */
static bool run_seed(uint64_t seed, bool talks)
{
    world_begin(seed, talks);
    schedule_make();
    for (unsigned i = 0; talks && i < w->plan.jobs + w->plan.children; i++) program_tell(i);
    for (w->epoch = 0; w->epoch < w->plan.epochs && !w->broken[0]; w->epoch++) run_epoch(talks);
    if (w->broken[0])
        printf("# seed %llu broke a promise: %s\n# see it happen: simulation --seed %llu --talk\n",
               (unsigned long long)seed, w->broken, (unsigned long long)seed);
    return !w->broken[0];
}

/* Libraries make things when they are first used, and keep them: before any process is forked. A stream that pushes
 * chunks in a step and a step that calls use all of them. */
static void rehearse(uint64_t seed)
{
    world_begin(seed, false);
    schedule_make();
    w->rehearses = true;
    w->plan.epochs = 1;
    memset(&w->plan.epoch[0], 0, sizeof w->plan.epoch[0]);
    w->plan.epoch[0].loops = 2;
    w->plan.epoch[0].runs_max = 1000;
    w->plan.epoch[0].lacks = -1;
    for (unsigned i = 0; i < w->plan.clients; i++) w->clients[i].wish = i % WISHES;
    for (unsigned i = 0; i < w->plan.jobs; i++)
        for (unsigned o = 0; o < w->jobs[i].op_count; o++) {
            w->jobs[i].ops[o].calls = true;
            w->jobs[i].ops[o].chunks = 1;
        }
    epoch_rehearse();
}

static bool with_bug; /* that of a mistake on purpose ends what it ends */
static uint64_t from_seed = 1, schedules = SCHEDULES;

static void test_schedules(void)
{
    uint64_t failed = 0, happened = 0, crashes = 0;
    for (uint64_t i = 0; i < schedules && failed == 0; i++) {
        failed += !run_seed(from_seed + i, false);
        happened += w->happened;
        crashes += w->crashes;
    }
    printf("# seeds %llu to %llu: %llu events, %llu crashes\n", (unsigned long long)from_seed,
           (unsigned long long)(from_seed + schedules - 1), (unsigned long long)happened, (unsigned long long)crashes);
    coverage_print();
    CHECK_INT(failed, 0);
}

static void test_repeats(void)
{
    for (uint64_t i = 0; i < REPEATED && i < schedules && !with_bug; i++) {
        bool kept = run_seed(from_seed + i, false);
        uint64_t hash = w->hash, happened = w->happened;
        CHECK(run_seed(from_seed + i, false) == kept);
        if (w->hash != hash)
            printf("# seed %llu: %llu events, and %llu\n", (unsigned long long)(from_seed + i),
                   (unsigned long long)happened, (unsigned long long)w->happened);
        CHECK(w->hash == hash);
    }
}

static const check_case cases[] = {{"a seed repeats itself", test_repeats},
                                   {"schedules keep all promises", test_schedules}};

#if defined(SEEDED_BUGS)
static const char *const bugs[] = {
#define SEEDED_BUG_TEXT(name, what) [SEEDED_##name] = what,
    SEEDED_BUG_LIST(SEEDED_BUG_TEXT)};

static void list_bugs(void)
{
    for (int i = 1; i < SEEDED_BUGS_END; i++) printf("%d %s\n", i, bugs[i]);
}

static void make_bug(uint64_t number) { seeded_bug = (int)number; }
#else
static void list_bugs(void) { printf("# this build has none: meson setup -Dseeded_bugs=true\n"); }
static void make_bug(uint64_t number) { CHECK_INT(number, 0); }
#endif

static uint64_t number_after(int argc, char **argv, const char *flag, uint64_t otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], flag) == 0) return strtoull(argv[i + 1], NULL, 10);
    return otherwise;
}

static bool has(int argc, char **argv, const char *flag)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], flag) == 0) return true;
    return false;
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* of a process that dies nothing is lost */
    const char *budget = getenv("SIMULATION_SCHEDULES");
    if (budget) schedules = strtoull(budget, NULL, 10);
    from_seed = number_after(argc, argv, "--from", from_seed);
    schedules = number_after(argc, argv, "--schedules", schedules);
    for (uint64_t seed = 1; seed <= REHEARSALS; seed++) rehearse(seed);
    if (has(argc, argv, "--bugs")) {
        list_bugs();
        return 0;
    }
    with_bug = has(argc, argv, "--bug");
    make_bug(number_after(argc, argv, "--bug", 0));
    if (has(argc, argv, "--seed"))
        return run_seed(number_after(argc, argv, "--seed", 1), has(argc, argv, "--talk")) ? 0 : 1;
    return check_run(cases, sizeof cases / sizeof cases[0], 1, argv);
}
