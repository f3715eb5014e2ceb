#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/supervise/awake_clock.h"
#include "runtime/supervise/supervise_core.h"
#include "runtime/supervise/worker_exec.h"

enum {
    BACKOFF_FIRST_MS = 100,
    BACKOFF_DOUBLINGS_MAX = 7,
    BACKOFF_MAX_MS = 10000,
    HEALTHY_MS = 10000, /* a worker that has served this long is in no loop of crashes */
    CRASHES_MAX = 8     /* in a row; after more, the held connections go: they may be what the workers die of */
};

_Static_assert(BACKOFF_FIRST_MS << BACKOFF_DOUBLINGS_MAX >= BACKOFF_MAX_MS, "the longest pause is reached by doubling");

/* ---- Its start ---- */

/* Gives the worker those of the held sockets that it has not got yet, as many as the socket between both takes now. */
static void supervisor_hand_over(supervisor *s)
{
    assert(s->worker > 0);
    assert(s->control >= 0);
    control_result r = holder_hand_on(s->holder, s->control);
    struct epoll_event e = {.events = r == CONTROL_AGAIN ? EPOLLIN | EPOLLOUT : EPOLLIN, .data = {.fd = s->control}};
    if (epoll_ctl(s->epoll, EPOLL_CTL_MOD, s->control, &e) != 0)
        log_line(LOG_ERROR, NULL, "supervisor: epoll_ctl: %s", strerror(errno));
}

/* The pause after so many crashes in a row: none after none, then doubled each time. */
static int64_t backoff_ms(unsigned crashes)
{
    if (crashes == 0) return 0;
    if (crashes > BACKOFF_DOUBLINGS_MAX) return BACKOFF_MAX_MS;
    return (int64_t)BACKOFF_FIRST_MS << (crashes - 1);
}

/* Counts a crash and sets the time of the next start. */
static void supervisor_back_off(supervisor *s)
{
    assert(s->worker == 0);
    assert(!s->is_done);
    int64_t delay = backoff_ms(s->crashes);
    s->crashes++;
    if (s->crashes > CRASHES_MAX && holder_count(s->holder) > 0) {
        log_line(LOG_WARN, NULL, "supervisor: %u crashes in a row: %zu connections are given up", s->crashes,
                 holder_count(s->holder));
        holder_release_all(s->holder);
    }
    s->start_ms = awake_clock_ms() + delay;
    if (delay > 0) log_line(LOG_WARN, NULL, "supervisor: next start in %lld ms", (long long)delay);
}

SW_NORETURN static void worker_become(supervisor *s, int control)
{
    worker_exec(&(worker_order){.program = s->program,
                                .argv = s->argv,
                                .mask = &s->mask_before,
                                .sockets = s->sockets,
                                .control = control,
                                .number = s->workers_started,
                                .watchdog_us = s->notify.watchdog_us,
                                .ended = &s->ended});
}

void worker_start(supervisor *s)
{
    int pair[2];
    assert(s->worker == 0);
    assert(s->control < 0);
    assert(!s->is_stopping);
    s->start_ms = s->kill_ms = 0;
    s->is_ready = s->is_leaving = s->is_aborted = false;
    s->heard_ms = 0;
    s->workers_started++;
    if (!control_pair(pair)) {
        log_line(LOG_ERROR, NULL, "supervisor: no socket to the worker: %s", strerror(errno));
        supervisor_back_off(s);
        return;
    }
    pid_t pid = fork();
    if (pid == 0) worker_become(s, pair[1]);
    int reason = errno;
    close(pair[1]);
    if (pid < 0 || !supervisor_watch(s, pair[0])) {
        log_line(LOG_ERROR, NULL, "supervisor: no worker: %s", strerror(pid < 0 ? reason : errno));
        close(pair[0]); /* a worker that was made takes this for the supervisor's end, and drains */
        if (pid < 0)
            supervisor_back_off(s);
        else
            s->worker = pid;
        return;
    }
    s->worker = pid;
    s->control = pair[0];
    log_line(LOG_INFO, NULL, "supervisor: worker %lld started", (long long)pid);
    holder_begin_handing(s->holder);
    supervisor_hand_over(s);
}

/* ---- While it serves ---- */

void worker_drain(supervisor *s)
{
    if (s->worker == 0 || s->is_leaving) return;
    s->is_leaving = true;
    s->heard_ms = 0;
    s->kill_ms = awake_clock_ms() + s->app->opt.drain_ms + DRAIN_GRACE_MS;
    /* By message: a signal that the whole process group gets, worker included, then counts once. */
    const control_head head = {.kind = s->is_stopping ? CONTROL_DRAIN : CONTROL_REPLACE};
    if (s->control >= 0 && control_send(s->control, head, NULL, 0, -1) == CONTROL_OK) return;
    (void)kill(s->worker, SIGTERM);
}

static void worker_on_ready(supervisor *s, bool run_ended_former)
{
    assert(s->worker > 0);
    /* A run was what the last worker died of, and it is held back now: neither the program nor a connection is. */
    if (run_ended_former) s->crashes = 1;
    s->is_ready = s->was_ready = true;
    s->ready_ms = awake_clock_ms();
    if (!s->is_leaving) s->heard_ms = s->ready_ms;
    if (s->is_stopping) return;
    log_line(LOG_INFO, NULL, "supervisor: worker %lld is ready", (long long)s->worker);
    notify_send(&s->notify, "READY=1\nMAINPID=%lld\nSTATUS=worker %lld serves", (long long)getpid(),
                (long long)s->worker);
}

static void worker_on_message(supervisor *s, control_message *m)
{
    if (m->head.kind == CONTROL_READY) worker_on_ready(s, m->head.key == 1);
    if (m->head.kind == CONTROL_BEAT) {
        notify_beat(&s->notify);
        if (s->heard_ms > 0) s->heard_ms = awake_clock_ms();
    }
    holder_take_message(s->holder, m);
}

/* Reads all that the worker has said so far, also when it is dead. */
static void worker_read_messages(supervisor *s)
{
    control_result r = CONTROL_AGAIN;
    while (s->control >= 0 && (r = control_receive(s->control, s->message)) == CONTROL_OK)
        worker_on_message(s, s->message);
    if (s->control < 0 || r != CONTROL_GONE) return;
    close(s->control);
    s->control = -1;
}

void worker_on_control(supervisor *s, uint32_t events)
{
    if (events & EPOLLOUT) supervisor_hand_over(s);
    if (events & ~(uint32_t)EPOLLOUT) worker_read_messages(s);
}

/* When a worker that beats no more is taken to hang; 0: never. At four fifths of the service manager's time, in which
 * the worker beats twice: a watchdog that ran out would end the supervisor too, and with it all connections that it
 * holds. */
int64_t worker_hang_due(const supervisor *s)
{
    return s->heard_ms > 0 && s->notify.watchdog_us > 0 ? s->heard_ms + (int64_t)(s->notify.watchdog_us / 1250) : 0;
}

void worker_abort(supervisor *s, int64_t now)
{
    assert(s->worker > 0);
    log_line(LOG_WARN, NULL, "supervisor: worker %lld hangs, and is ended by SIGABRT", (long long)s->worker);
    s->is_aborted = true;
    s->heard_ms = 0;
    s->kill_ms = now + DRAIN_GRACE_MS; /* the worker may write a core */
    (void)kill(s->worker, SIGABRT);
}

/* ---- Its end ---- */

void end_describe(int status, char text[END_TEXT_BYTES])
{
    if (WIFSIGNALED(status))
        (void)snprintf(text, END_TEXT_BYTES, "was ended by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else
        (void)snprintf(text, END_TEXT_BYTES, "ended with code %d", WEXITSTATUS(status));
}

/* It is the next worker's to know how the one before has ended; one that never had the data is passed over. */
static void worker_record_end(supervisor *s, int status)
{
    bool never_served = !s->is_ready && WIFEXITED(status) &&
                        (WEXITSTATUS(status) == EXIT_SETUP || WEXITSTATUS(status) == EXIT_NO_PROGRAM);
    if (!never_served) s->ended = (control_ended){s->worker, status};
    if (s->control >= 0) close(s->control);
    s->control = -1;
    s->worker = 0;
    s->kill_ms = s->heard_ms = 0;
    s->is_ready = false;
}

void worker_on_end(supervisor *s, int status)
{
    char how[END_TEXT_BYTES];
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    assert(s->worker > 0);
    worker_read_messages(s);
    end_describe(status, how);
    /* A worker that served and ends with 0 unasked got a SIGTERM of its own: that counts as an upgrade. */
    bool was_asked = s->is_leaving || (code == 0 && s->is_ready);
    bool was_healthy = s->is_ready && awake_clock_ms() - s->ready_ms >= HEALTHY_MS;
    log_line(was_asked && code == 0 ? LOG_INFO : LOG_WARN, NULL, "supervisor: worker %lld %s", (long long)s->worker,
             how);
    worker_record_end(s, status);
    if (s->is_stopping) {
        supervisor_finish(s, WIFEXITED(status) ? code : EXIT_OTHER); /* a signal: killed, since --drain was over */
    } else if (!s->was_ready && (code == EXIT_SETUP || code == EXIT_NO_PROGRAM)) {
        supervisor_finish(s, EXIT_SETUP); /* the worker has said why, and the next one would say it again */
    } else if (was_asked) {
        s->crashes = 0;
        s->start_ms = awake_clock_ms();
    } else {
        if (was_healthy) s->crashes = 0;
        notify_send(&s->notify, "STATUS=worker %s, next start soon", how);
        supervisor_back_off(s);
    }
}
