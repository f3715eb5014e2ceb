#include "runtime/recovery/crash.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/want.h"
#include "runtime/recovery/crash_file.h"
#include "runtime/recovery/occupant.h"
#include "runtime/run/run.h"

const char crash_magic[8] = "swcrash1";
_Static_assert(CRASH_BY_WANT > NSIG, "no signal has its number");

static int crash_fd = -1;
static uint64_t crash_epoch;
static bool exits;      /* atomic: exit() was called, and has left its record */
static bool serves;     /* atomic: see crash_serve */
static pid_t crash_pid; /* a child that a handler has forked leaves no record */

/* A loop that does not answer, and the record that the watchdog's signal is to leave of it. */
typedef struct hang {
    const uint64_t *switches; /* of its sched: atomic */
    uint64_t seen;            /* *switches when the hang was found */
    crash_record record;
} hang;

enum { HANGS_MAX = 16 };
static hang hangs[HANGS_MAX];
static unsigned hang_count; /* atomic: hangs before it do not change */

/* Of the program or a library it was linked with, as in coro.c: so reading it in a signal handler is one load. */
static __thread const strand *works_for __attribute__((tls_model("initial-exec")));

void crash_work_for(const strand *s) { works_for = s; }

/* ---- In the signal handler: no assertions, whose abort() would come back here ---- */

enum { NUMBER_BYTES = 12 };
_Static_assert(NUMBER_BYTES > 10, "a number of 32 bits and a zero");

static const strand *crash_strand_at_work(void)
{
    const coro *co = coro_current();
    return co ? coro_user(co) : works_for;
}

static void crash_say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n; /* nothing is left to do about it */
}

static void crash_say_number(unsigned n)
{
    char digits[NUMBER_BYTES];
    size_t at = sizeof digits - 1;
    digits[at] = 0;
    do digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    crash_say(digits + at);
}

static void crash_say_who(int number, const task *t, const char *step)
{
    if (number == CRASH_BY_EXIT) {
        crash_say("stepwell: exit");
    } else {
        crash_say("stepwell: signal ");
        crash_say_number((unsigned)number);
    }
    crash_say(" in ");
    crash_say(t->label);
    if (*step) {
        crash_say(", step \"");
        crash_say(step);
        crash_say("\"");
    }
    crash_say("\n");
}

static void crash_begin_record(crash_record *to, int number)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    memset(to, 0, sizeof *to);
    memcpy(to->magic, crash_magic, sizeof to->magic);
    to->epoch = crash_epoch;
    to->at_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    to->number = (uint32_t)number;
}

static void crash_fill_record(crash_record *to, const run *r, const sw_ctx *top)
{
    memcpy(to->run, r->id.bytes, sizeof to->run);
    if (!top) return;
    to->path = top->path;
    if (top->kind != CTX_STEP) return;
    to->attempt = (uint32_t)top->attempt;
    for (size_t i = 0; i + 1 < sizeof to->step && top->id[i]; i++) to->step[i] = top->id[i];
}

static void crash_write_record(const crash_record *record)
{
    ssize_t n = crash_fd >= 0 ? write(crash_fd, record, sizeof *record) : 0;
    (void)n;
}

/* Leaves the records of loops that hang and have not moved since: the signal is the watchdog's. Else one of a signal
 * from outside. */
static void crash_record_outside(int number)
{
    crash_record record;
    unsigned count = __atomic_load_n(&hang_count, __ATOMIC_ACQUIRE), hung = 0;
    for (unsigned i = 0; i < count && number == SIGABRT; i++) {
        if (__atomic_load_n(hangs[i].switches, __ATOMIC_RELAXED) != hangs[i].seen) continue;
        crash_write_record(&hangs[i].record);
        hung++;
    }
    if (hung > 0) return;
    crash_begin_record(&record, number);
    record.path = CRASH_FROM_OUTSIDE;
    crash_write_record(&record);
}

void crash_leave_record(int number, bool own)
{
    crash_record record;
    const strand *s = crash_strand_at_work();
    if (getpid() != crash_pid || __atomic_load_n(&exits, __ATOMIC_RELAXED)) return;
    if (!own) {
        crash_record_outside(number);
        return;
    }
    bool is_task = s && s->task;
    crash_begin_record(&record, number);
    if (is_task && s->run)
        crash_fill_record(&record, s->run, s->top);
    else if (is_task)
        record.path = CRASH_OF_PLAIN;
    if (is_task || __atomic_load_n(&serves, __ATOMIC_RELAXED)) crash_write_record(&record);
    if (is_task) crash_say_who(number, s->task, record.step);
}

/* ---- Outside the signal handler ---- */

/* A handler has called exit(), or another thread while the process serves: the process ends here. What exit() would
 * still take down would be taken from threads that are at work, and they would die of that by a signal. */
static void crash_on_exit_called(int status, void *arg)
{
    const strand *s = crash_strand_at_work();
    (void)arg;
    if (getpid() != crash_pid || (!(s && s->task) && !__atomic_load_n(&serves, __ATOMIC_RELAXED))) return;
    crash_leave_record(CRASH_BY_EXIT, true);
    __atomic_store_n(&exits, true, __ATOMIC_RELAXED);
    (void)fflush(NULL);
    _exit(status);
}

/* Some run may have brought about the want of memory, and nobody knows which. */
static void crash_on_want(void)
{
    crash_record record;
    if (getpid() != crash_pid || !__atomic_load_n(&serves, __ATOMIC_RELAXED)) return;
    crash_begin_record(&record, CRASH_BY_WANT);
    crash_write_record(&record);
}

void crash_serve(void) { __atomic_store_n(&serves, true, __ATOMIC_RELAXED); }
void crash_serve_end(void) { __atomic_store_n(&serves, false, __ATOMIC_RELAXED); }

void crash_hang(const uint64_t *switches, const occupant *who)
{
    unsigned at = hang_count;
    run_id id;
    assert(at <= HANGS_MAX);
    if (at == HANGS_MAX) return; /* more loops than that: their runs have their turn at the next end */
    hang *h = &hangs[at];
    *h = (hang){.switches = switches, .seen = who->switches};
    crash_begin_record(&h->record, SIGABRT);
    if (run_id_parse(who->run, strlen(who->run), &id))
        memcpy(h->record.run, id.bytes, sizeof h->record.run);
    else if (who->label[0])
        h->record.path = CRASH_OF_PLAIN;
    (void)snprintf(h->record.step, sizeof h->record.step, "%.*s", (int)sizeof h->record.step - 1, who->step);
    __atomic_store_n(&hang_count, at + 1, __ATOMIC_RELEASE);
}

void crash_hang_end(void) { __atomic_store_n(&hang_count, 0, __ATOMIC_RELEASE); }

void crash_set_file(int fd, uint64_t epoch)
{
    static bool watches_exit;
    assert(epoch > 0); /* else the next start takes its records for an older process's */
    if (fd >= 0 && crash_fd >= 0 && dup3(fd, crash_fd, O_CLOEXEC) >= 0)
        close(fd); /* loops run, and one of them may be dying: the number that it writes to stays the same */
    else if (fd >= 0)
        crash_fd = fd;
    crash_epoch = epoch;
    crash_pid = getpid();
    want_on_end(crash_on_want);
    if (!watches_exit) watches_exit = on_exit(crash_on_exit_called, NULL) == 0; /* else such an end is not noticed */
}

void crash_end(void)
{
    if (crash_fd >= 0) close(crash_fd);
    crash_fd = -1;
    crash_epoch = 0;
}
