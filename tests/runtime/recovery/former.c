/* How the process before has ended: what counts as an end that some run may have brought about, and what does not. */
#include "runtime/recovery/former.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/recovery/crash.h"
#include "runtime/survive/control.h"
#include "tests/harness/check.h"
#include "tests/harness/clock_faults.h"

enum { EPOCH = 7, MINUTE_MS = 60000 };

static char data[64];
static clocks_state set;

/* The note of a process that served with EPOCH, as the next one reads it. */
static former note(bool unclean)
{
    former before, own;
    former_read(&before, data);
    CHECK(former_begin(&before, unclean, EPOCH, data));
    former_read(&own, data);
    CHECK(own.serving && own.epoch == EPOCH && own.pid == getpid());
    return own;
}

static bool is_unclean(const former *f, crash_ends crashes, control_ended worker, const char *how)
{
    char text[FORMER_TEXT];
    bool unclean = former_is_unclean(f, EPOCH + 1, &crashes, &worker, text);
    if (unclean && !strstr(text, how)) printf("# %s\n", text);
    CHECK(unclean ? strstr(text, how) != NULL : text[0] == 0);
    return unclean;
}

static void test_records(void)
{
    former f = note(false);
    const control_ended nobody = {0};
    CHECK(!is_unclean(&f, (crash_ends){0}, nobody, ""));
    CHECK(!is_unclean(&f, (crash_ends){.known = 1}, nobody, ""));
    CHECK(is_unclean(&f, (crash_ends){.unknown = 1, .number = SIGSEGV}, nobody, "signal 11"));
    CHECK(is_unclean(&f, (crash_ends){.unknown = 1, .number = CRASH_BY_EXIT}, nobody, "exit()"));
    CHECK(is_unclean(&f, (crash_ends){.unknown = 1, .number = CRASH_BY_WANT}, nobody, "no memory"));
    CHECK(!is_unclean(&f, (crash_ends){.known = 1, .unknown = 1, .number = SIGSEGV}, nobody, ""));
}

/* Processes in a row that a run has ended which is known. */
static void test_ends(void)
{
    const crash_ends run = {.known = 1, .of_runs = 1}, plain = {.known = 1};
    former f = note(false);
    CHECK_INT(f.ends, 0);
    CHECK_INT(former_ends(&f, EPOCH + 1, &run), 1);
    CHECK_INT(former_ends(&f, EPOCH + 1, &plain), 0);
    CHECK_INT(former_ends(&f, EPOCH + 2, &run), 0); /* another process has been there since */
    f.ends = 4;
    CHECK(former_begin(&f, false, EPOCH, data));
    former_read(&f, data);
    CHECK_INT(former_ends(&f, EPOCH + 1, &run), 5);
    set.slept_ms += 11 * MINUTE_MS; /* it has served for so long */
    CHECK_INT(former_ends(&f, EPOCH + 1, &run), 1);
}

/* What a version wrote that did not count them. */
static void test_older_note(void)
{
    static const char note_text[] = "epoch 7\npid 12\nbegan 34\nserving 1\ncgroup 56\noom_kills 78\nunclean 0 0\n";
    former f;
    char path[128];
    snprintf(path, sizeof path, "%s/process", data);
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(note_text, file) >= 0 && fclose(file) == 0);
    former_read(&f, data);
    CHECK(f.epoch == EPOCH && f.pid == 12 && f.serving && f.oom_kills == 78 && f.ends == 0);
}

static void test_worker(void)
{
    former f = note(false);
    const crash_ends none = {0};
    const int status[] = {W_EXITCODE(0, 0), W_EXITCODE(3, 0), W_EXITCODE(0, SIGKILL), W_EXITCODE(0, SIGABRT)};
    for (int i = 0; i < 4; i++) {
        const char *how = i < 2 ? "it exited with code" : "signal 6";
        CHECK_INT(is_unclean(&f, none, (control_ended){getpid(), status[i]}, how), i != 2);
        CHECK(!is_unclean(&f, (crash_ends){.known = 1}, (control_ended){getpid(), status[i]}, ""));
        CHECK(!is_unclean(&f, none, (control_ended){getpid() + 1, status[i]}, "")); /* another process */
    }
}

/* Of a note that is not the former process's, or says that it ended by itself, nothing follows. */
static void test_note(void)
{
    const crash_ends unknown = {.unknown = 1, .number = SIGSEGV};
    const control_ended nobody = {0};
    former f = note(false);
    f.epoch--;
    CHECK(!is_unclean(&f, unknown, nobody, ""));
    former_end(data);
    former_read(&f, data);
    CHECK(!f.serving && f.epoch == EPOCH);
    CHECK(!is_unclean(&f, unknown, nobody, ""));
    char path[128];
    snprintf(path, sizeof path, "%s/process", data);
    FILE *file = fopen(path, "w");
    CHECK(file && fputs("epoch 7\npid", file) >= 0 && fclose(file) == 0);
    former_read(&f, data);
    CHECK(f.epoch == 0 && !f.serving);
    CHECK(unlink(path) == 0);
    former_read(&f, data);
    CHECK(f.epoch == 0 && !former_again(&f));
}

/* By both clocks within ten minutes. */
static void test_again(void)
{
    former f = note(false);
    CHECK(!former_again(&f));
    f = note(true);
    CHECK(former_again(&f));
    set.slept_ms += 9 * MINUTE_MS;
    CHECK(former_again(&f));
    f = note(false); /* one that ended well lies between */
    CHECK(former_again(&f));
    set.slept_ms += 2 * MINUTE_MS;
    CHECK(!former_again(&f));
    f = note(true);
    static const int64_t by_ms[] = {11 * MINUTE_MS, -MINUTE_MS};
    for (int i = 0; i < 2; i++) {
        set.set_ms = by_ms[i];
        CHECK(!former_again(&f));
    }
    set.set_ms = 0;
    f.unclean_steady_ms += MINUTE_MS; /* the machine was started anew since */
    CHECK(!former_again(&f));
}

static const check_case cases[] = {{"records of the signal handler", test_records},
                                   {"what the supervisor saw", test_worker},
                                   {"notes that tell nothing", test_note},
                                   {"two ends within ten minutes", test_again},
                                   {"ends in a row by runs that are known", test_ends},
                                   {"a note of an earlier version", test_older_note}};

int main(int argc, char **argv)
{
    snprintf(data, sizeof data, "/tmp/stepwell-former-XXXXXX");
    CHECK(mkdtemp(data));
    clocks = &set;
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    char path[128];
    snprintf(path, sizeof path, "%s/process", data);
    CHECK(unlink(path) == 0 && rmdir(data) == 0);
    return result;
}
