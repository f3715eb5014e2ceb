#include "runtime/supervise/supervise.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/supervise/awake_clock.h"
#include "runtime/supervise/command.h"
#include "runtime/supervise/supervise_core.h"
#include "runtime/supervise/trial.h"
#include "runtime/supervise/worker_exec.h"

enum {
    TRIAL_MS = 10000, /* for a new program to check its flags */
    EVENTS_MAX = 64   /* of one epoll_wait */
};

bool supervisor_watch(const supervisor *s, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data = {.fd = fd}};
    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

void supervisor_finish(supervisor *s, int result)
{
    s->is_done = true;
    s->result = result;
}

static void trial_on_end(supervisor *s, int status)
{
    char how[END_TEXT_BYTES];
    assert(s->trial > 0);
    s->trial = 0;
    s->trial_end_ms = 0;
    if (s->is_stopping || s->is_leaving) return;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_OK) {
        end_describe(status, how);
        log_line(LOG_ERROR, NULL, "supervisor: %s would not start, its trial %s: worker %lld goes on", s->program, how,
                 (long long)s->worker);
        notify_send(&s->notify, "READY=1\nSTATUS=not replaced: the new program would not start");
        return;
    }
    log_line(LOG_INFO, NULL, "supervisor: the worker is replaced");
    worker_drain(s);
}

static void supervisor_reap(supervisor *s)
{
    int status = 0;
    /* As the first process of a container it also gets orphans that nobody else waits for. */
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == s->worker)
            worker_on_end(s, status);
        else if (pid == s->trial)
            trial_on_end(s, status);
}

/* ---- Signals ---- */

static void supervisor_stop(supervisor *s)
{
    if (s->is_stopping && s->worker > 0) {
        (void)kill(s->worker, SIGKILL); /* asked twice: at once, which loses nothing that a client was promised */
        return;
    }
    s->is_stopping = true;
    notify_send(&s->notify, "STOPPING=1\nSTATUS=draining");
    if (s->worker > 0)
        worker_drain(s);
    else
        supervisor_finish(s, EXIT_OK);
}

static void supervisor_upgrade(supervisor *s)
{
    if (s->is_stopping || s->is_leaving || s->trial > 0) return;
    log_line(LOG_INFO, NULL, "supervisor: SIGHUP, the program is tried first");
    notify_send(&s->notify, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=replacing the worker",
                (long long)awake_clock_ms() * 1000);
    pid_t pid = s->worker > 0 ? trial_start(s->program, s->argv, &s->mask_before) : 0;
    if (pid > 0) {
        s->trial = pid;
        s->trial_end_ms = awake_clock_ms() + TRIAL_MS;
    } else if (pid < 0) {
        log_line(LOG_ERROR, NULL, "supervisor: no process for the trial, the worker goes on: %s", strerror(errno));
        notify_send(&s->notify, "READY=1\nSTATUS=not replaced: no process can be made");
    } else {
        s->start_ms = awake_clock_ms();
    }
}

static void supervisor_on_signals(supervisor *s)
{
    struct signalfd_siginfo info;
    bool child_ended = false;
    while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            child_ended = true;
        else if (info.ssi_signo == SIGHUP)
            supervisor_upgrade(s);
        else
            supervisor_stop(s);
    }
    /* Last: when the worker got the Ctrl-C of the terminal too, is_stopping then says why the worker has ended. */
    if (child_ended) supervisor_reap(s);
}

/* ---- Time ---- */

/* So that *timeout ends at `due` at the latest; 0: no such time. A timeout below zero has no end. */
static void timeout_shorten(int64_t *timeout, int64_t due, int64_t now)
{
    int64_t wait = due > now ? due - now : 0;
    if (due > 0 && (*timeout < 0 || wait < *timeout)) *timeout = wait;
}

/* When the supervisor itself has to tell the service manager that it lives: while no worker does. 0: not at all. */
static int64_t supervisor_beat_due(const supervisor *s)
{
    bool nobody_else = s->notify.watchdog_us > 0 && (!s->is_ready || s->is_aborted);
    return nobody_else ? s->beat_ms + (int64_t)(s->notify.watchdog_us / 2000) : 0;
}

static int64_t supervisor_timeout(const supervisor *s)
{
    int64_t timeout = -1, now = awake_clock_ms();
    timeout_shorten(&timeout, s->start_ms, now);
    timeout_shorten(&timeout, s->kill_ms, now);
    timeout_shorten(&timeout, s->trial_end_ms, now);
    timeout_shorten(&timeout, supervisor_beat_due(s), now);
    timeout_shorten(&timeout, worker_hang_due(s), now);
    if (notify_has_unsent(&s->notify)) timeout_shorten(&timeout, now + NOTIFY_RETRY_MS, now);
    return timeout;
}

static void supervisor_kill_overdue(supervisor *s, int64_t now)
{
    if (s->kill_ms > 0 && now >= s->kill_ms) {
        assert(s->worker > 0);
        log_line(LOG_WARN, NULL, "supervisor: worker %lld does not end%s and is killed", (long long)s->worker,
                 s->is_aborted ? "" : " after --drain");
        (void)kill(s->worker, SIGKILL);
        s->kill_ms = 0;
    }
    if (s->trial_end_ms > 0 && now >= s->trial_end_ms) {
        assert(s->trial > 0);
        log_line(LOG_WARN, NULL, "supervisor: the trial of %s does not end and is killed", s->program);
        (void)kill(s->trial, SIGKILL);
        s->trial_end_ms = 0;
    }
}

static void supervisor_on_time(supervisor *s)
{
    int64_t now = awake_clock_ms(), beat = supervisor_beat_due(s), hang = worker_hang_due(s);
    notify_retry(&s->notify);
    if (hang > 0 && now >= hang) worker_abort(s, now);
    supervisor_kill_overdue(s, now);
    if (beat > 0 && now >= beat) {
        notify_beat(&s->notify);
        s->beat_ms = now;
    }
    if (s->start_ms > 0 && now >= s->start_ms) worker_start(s);
}

/* ---- The whole ---- */

static bool supervisor_setup(supervisor *s)
{
    sigset_t wanted;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigemptyset(&wanted);
    const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) (void)sigaddset(&wanted, signals[i]);
    if (sigprocmask(SIG_BLOCK, &wanted, &s->mask_before) != 0) return false;
    s->message = malloc(sizeof *s->message);
    s->holder = holder_new((size_t)s->app->opt.keep_max);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->argv) s->program = worker_program(s->argv);
    return s->program && *s->program && s->message && s->holder && s->epoll >= 0 && s->signals >= 0 &&
           supervisor_watch(s, s->signals);
}

static void supervisor_loop(supervisor *s)
{
    struct epoll_event events[EVENTS_MAX];
    s->start_ms = awake_clock_ms();
    while (!s->is_done) {
        int n = epoll_wait(s->epoll, events, EVENTS_MAX, (int)supervisor_timeout(s));
        if (n < 0 && errno != EINTR) {
            log_line(LOG_ERROR, NULL, "supervisor: epoll_wait: %s", strerror(errno));
            supervisor_finish(s, EXIT_OTHER); /* the worker sees its socket close, and drains */
        }
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == s->signals)
                supervisor_on_signals(s);
            else if (events[i].data.fd == s->control)
                worker_on_control(s, events[i].events);
        }
        if (!s->is_done) supervisor_on_time(s);
    }
}

int supervise_run(const sw_app *app, sockets *listening, char **argv)
{
    assert(listening->count >= 1);
    assert(listening->count <= SOCKETS_MAX);
    supervisor *s = calloc(1, sizeof *s);
    if (!s) return EXIT_OTHER;
    *s = (supervisor){.app = app, .sockets = listening, .epoll = -1, .signals = -1, .control = -1};
    notify_open(&s->notify);
    s->argv = command_read(argv);
    int result = EXIT_OTHER;
    if (supervisor_setup(s)) {
        supervisor_loop(s);
        result = s->result;
    } else {
        log_line(LOG_ERROR, NULL, "the supervisor cannot start: %s", strerror(errno));
    }
    if (s->control >= 0) close(s->control);
    if (s->signals >= 0) close(s->signals);
    if (s->epoll >= 0) close(s->epoll);
    notify_close(&s->notify);
    sockets_close(s->sockets);
    free(s->program);
    free(s->argv);
    holder_free(s->holder);
    free(s->message);
    free(s);
    return result;
}
