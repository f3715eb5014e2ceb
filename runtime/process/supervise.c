#include "runtime/process/supervise.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/process/awake_clock.h"
#include "runtime/process/command.h"
#include "runtime/process/notify.h"
#include "runtime/process/trial.h"
#include "runtime/process/worker_exec.h"
#include "runtime/survive/control.h"
#include "runtime/survive/holder.h"

enum {
    EXIT_OK = 0,
    EXIT_OTHER = 1,
    EXIT_SETUP = 2,
    BACKOFF_FIRST_MS = 100,
    BACKOFF_DOUBLINGS_MAX = 7,
    BACKOFF_MAX_MS = 10000,
    HEALTHY_MS = 10000,     /* a worker that has served this long is in no loop of crashes */
    CRASHES_MAX = 8,        /* in a row; after more, the held connections go: they may be what the workers die of */
    DRAIN_GRACE_MS = 10000, /* a worker that needs longer than --drain and this hangs */
    TRIAL_MS = 10000,       /* for a new program to check its flags */
    EVENTS_MAX = 64,        /* of one epoll_wait */
    END_TEXT_BYTES = 64
};

_Static_assert(BACKOFF_FIRST_MS << BACKOFF_DOUBLINGS_MAX >= BACKOFF_MAX_MS, "the longest pause is reached by doubling");

/*   no worker --fork--> starting --READY--> ready --dies--> no worker, for the time of the backoff
 *                          |                  | SIGTERM; SIGHUP, when the trial of the program has succeeded
 *                          | ends             v
 *                          +------------- leaving --ends--> no worker; SIGTERM: the end */
typedef struct supervisor {
    const sw_app *app;
    sockets *sockets;
    notify notify;
    char *program;             /* owned: what to execute, a path or a name for PATH */
    char **argv;               /* owned */
    sigset_t mask_before;      /* of signals; the worker gets it back */
    int epoll, signals;        /* signals: a signalfd */
    int control;               /* to the worker; -1: it has none, or there is no worker */
    control_message *message;  /* owned: the one being read */
    held *held;                /* owned: the sockets of clients that outlive a worker */
    pid_t worker;              /* 0: none */
    pid_t trial;               /* of the program, before the worker is replaced; 0: none */
    uint32_t workers_started;  /* so far */
    control_ended ended;       /* the worker before */
    bool is_ready;             /* the worker serves */
    bool is_leaving;           /* the worker was told to drain */
    bool is_aborted;           /* the worker missed its beats and got SIGABRT */
    bool was_ready;            /* some worker has served */
    bool is_stopping, is_done; /* SIGTERM or SIGINT has come; the supervisor ends */
    unsigned crashes;          /* in a row */
    int result;                /* once is_done: the exit code */
    /* Times of the awake clock; 0: not waited for. */
    int64_t ready_ms;     /* when the worker was */
    int64_t start_ms;     /* when the next worker is due */
    int64_t kill_ms;      /* when the worker is killed if it has not ended */
    int64_t trial_end_ms; /* when the trial is */
    int64_t beat_ms;      /* when the supervisor itself last told the service manager that it lives */
    int64_t heard_ms;     /* the worker's last beat, or when it was ready; 0: its beats are not waited for */
} supervisor;

/* ---- The worker ---- */

static bool supervisor_watch(const supervisor *s, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data = {.fd = fd}};
    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

/* Gives the worker those of the held sockets that it has not got yet, as many as the socket between both takes now. */
static void supervisor_hand_over(supervisor *s)
{
    assert(s->worker > 0);
    assert(s->control >= 0);
    control_result r = held_hand(s->held, s->control);
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
    if (s->crashes > CRASHES_MAX && held_count(s->held) > 0) {
        log_line(LOG_WARN, NULL, "supervisor: %u crashes in a row: %zu connections are given up", s->crashes,
                 held_count(s->held));
        held_release_all(s->held);
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

static void worker_start(supervisor *s)
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
    held_begin(s->held);
    supervisor_hand_over(s);
}

/* Tells the worker to drain and end, once. */
static void worker_drain(supervisor *s)
{
    if (s->worker == 0 || s->is_leaving) return;
    s->is_leaving = true;
    s->heard_ms = 0;
    s->kill_ms = awake_clock_ms() + s->app->opt.drain_ms + DRAIN_GRACE_MS;
    /* By message: a signal that the whole process group gets, worker included, then counts once. */
    if (s->control >= 0 &&
        control_send(s->control, s->is_stopping ? CONTROL_DRAIN : CONTROL_REPLACE, 0, NULL, 0, -1) == CONTROL_OK)
        return;
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
    held_take(s->held, m);
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

static void worker_on_control(supervisor *s, uint32_t events)
{
    if (events & EPOLLOUT) supervisor_hand_over(s);
    if (events & ~(uint32_t)EPOLLOUT) worker_read_messages(s);
}

/* ---- The worker's end, and the trial's ---- */

static void end_describe(int status, char text[END_TEXT_BYTES])
{
    if (WIFSIGNALED(status))
        (void)snprintf(text, END_TEXT_BYTES, "was ended by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else
        (void)snprintf(text, END_TEXT_BYTES, "ended with code %d", WEXITSTATUS(status));
}

static void supervisor_finish(supervisor *s, int result)
{
    s->is_done = true;
    s->result = result;
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

static void worker_on_end(supervisor *s, int status)
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

/* When a worker that beats no more is taken to hang; 0: never. At four fifths of the service manager's time, in which
 * the worker beats twice: a watchdog that ran out would end the supervisor too, and with it all connections that it
 * holds. */
static int64_t worker_hang_due(const supervisor *s)
{
    return s->heard_ms > 0 && s->notify.watchdog_us > 0 ? s->heard_ms + (int64_t)(s->notify.watchdog_us / 1250) : 0;
}

static void worker_abort(supervisor *s, int64_t now)
{
    assert(s->worker > 0);
    log_line(LOG_WARN, NULL, "supervisor: worker %lld hangs, and is ended by SIGABRT", (long long)s->worker);
    s->is_aborted = true;
    s->heard_ms = 0;
    s->kill_ms = now + DRAIN_GRACE_MS; /* the worker may write a core */
    (void)kill(s->worker, SIGABRT);
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
    s->held = held_new((size_t)s->app->opt.keep_max);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->argv) s->program = worker_program(s->argv);
    return s->program && *s->program && s->message && s->held && s->epoll >= 0 && s->signals >= 0 &&
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
    held_free(s->held);
    free(s->message);
    free(s);
    return result;
}
