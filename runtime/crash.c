#include "runtime/crash.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/crash_file.h"
#include "runtime/run.h"

const char crash_magic[8] = "swcrash1";

static int crash_fd = -1;
static uint64_t crash_epoch;
static bool exits;      /* atomic */
static pid_t crash_pid; /* a child that a handler has forked may die as it likes */

/* As in coro.c: of the program or a library it was linked with, so that reading it in a signal handler is one load. */
static __thread const strand *works_for __attribute__((tls_model("initial-exec")));

void crash_work_for(const strand *s) { works_for = s; }

/* ---- In the signal handler ---- */

static const strand *at_work(void)
{
    const coro *co = coro_current();
    return co ? coro_user(co) : works_for;
}

static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n; /* nothing is left to do about it */
}

static void say_number(unsigned n)
{
    char digits[12];
    size_t at = sizeof digits - 1;
    digits[at] = 0;
    do digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    say(digits + at);
}

static void say_who(int number, const task *t, const char *step)
{
    if (number == CRASH_BY_EXIT) {
        say("stepwell: exit");
    } else {
        say("stepwell: signal ");
        say_number((unsigned)number);
    }
    say(" in ");
    say(t->label);
    if (*step) {
        say(", step \"");
        say(step);
        say("\"");
    }
    say("\n");
}

static void fill(crash_record *to, int number, const run *r, const sw_ctx *top)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    memset(to, 0, sizeof *to);
    memcpy(to->magic, crash_magic, sizeof to->magic);
    if (r) memcpy(to->run, r->id.bytes, sizeof to->run);
    to->epoch = crash_epoch;
    to->at_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    to->number = (uint32_t)number;
    if (!top) return;
    to->path = top->path;
    if (top->kind != CTX_STEP) return;
    to->attempt = (uint32_t)top->attempt;
    for (size_t i = 0; i + 1 < sizeof to->step && top->id[i]; i++) to->step[i] = top->id[i];
}

void crash_note(int number)
{
    crash_record record;
    const strand *s = at_work();
    if (!s || !s->task || getpid() != crash_pid || __atomic_load_n(&exits, __ATOMIC_RELAXED)) return;
    fill(&record, number, s->run, s->top);
    if (crash_fd >= 0 && s->run) {
        ssize_t n = write(crash_fd, &record, sizeof record);
        (void)n;
    }
    say_who(number, s->task, record.step);
}

/* ---- Outside it ---- */

/* A handler that calls exit(). What other threads run into while the process is taken down is not their runs' doing. */
static void on_exit_called(void)
{
    if (!at_work()) return;
    crash_note(CRASH_BY_EXIT);
    __atomic_store_n(&exits, true, __ATOMIC_RELAXED);
}

void crash_keep_file(int fd, uint64_t epoch)
{
    crash_fd = fd;
    crash_epoch = epoch;
    crash_pid = getpid();
    (void)atexit(on_exit_called); /* without memory for that such an end is not noticed */
}
