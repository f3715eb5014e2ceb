#include "runtime/process/supervise.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/process/command.h"
#include "runtime/process/notify.h"
#include "runtime/process/trial.h"
#include "runtime/survive/control.h"
#include "runtime/survive/holder.h"

enum {
    EXIT_OK = 0,
    EXIT_OTHER = 1,
    EXIT_SETUP = 2,
    EXIT_NO_PROGRAM = 127,
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 10000,
    HEALTHY_MS = 10000,     /* a worker that served this long is no crash loop */
    CRASHES_MAX = 8,        /* in a row; it may be one of the connections that they all die of */
    DRAIN_GRACE_MS = 10000, /* beyond --drain, then it hangs */
    TRIAL_MS = 10000,       /* for a new program to check its flags */
    EVENTS = 64
};

/*   no worker --fork--> starting --READY--> ready --dies--> no worker, for the time of the backoff
 *                          |                  | SIGTERM; SIGHUP, when the trial of the program has succeeded
 *                          | ends             v
 *                          +------------- leaving --ends--> no worker; SIGTERM: the end */
typedef struct supervisor {
    const sw_app *app;
    sockets *sockets;
    notify notify;
    char *program;        /* owned: what to execute, a path or a name for PATH */
    char **argv;          /* owned */
    sigset_t mask_before; /* the worker gets it back */
    int epoll, signals;
    int control;      /* -1: no worker */
    uint32_t workers; /* started so far */
    held *held;       /* owned */
    pid_t worker;     /* 0: none */
    pid_t trial;      /* of the program, before the worker is replaced; 0: none */
    bool ready;       /* this one serves */
    bool leaving;     /* it was told to drain */
    bool was_ready, stopping, done;
    unsigned crashes; /* in a row */
    int64_t ready_ms, start_ms /* of the next; 0: not waited for */, kill_ms /* 0: not waited for */, beat_ms;
    int64_t trial_end_ms; /* 0: not waited for */
    int64_t heard_ms;     /* the worker's last beat, or when it was ready; 0: its beats are not waited for */
    bool aborted;         /* it missed them */
    control_ended ended;  /* the worker before */
    int result;
    control_message *message; /* owned: the one being read */
} supervisor;

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- The program to start again ---- */

/* By its name as it was called, never /proc/self/exe itself: an upgrade puts another file there. */
static bool find_program(supervisor *s)
{
    char own[4096];
    const char *name = s->argv[0];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    own[n > 0 ? n : 0] = 0;
    bool by_path = name && strchr(name, '/') != NULL;
    /* A name that leads nowhere, such as a login shell's "-name": the file this process was started from. */
    bool usable = name && *name && (!by_path || access(name, X_OK) == 0);
    s->program = strdup(usable ? name : own);
    return s->program && *s->program;
}

/* ---- The worker ---- */

SW_NORETURN static void exec_worker(supervisor *s, int control)
{
    int high[SOCKETS_MAX + 1], count = (int)s->sockets->count;
    char number[24], value[CONTROL_VALUE_BYTES];
    pid_t supervisor_pid = getppid();
    (void)sigprocmask(SIG_SETMASK, &s->mask_before, NULL);
    for (int i = 0; i <= count; i++) {
        /* first out of the way of where they are to be */
        high[i] = fcntl(i < count ? s->sockets->fds[i] : control, F_DUPFD_CLOEXEC, SOCKETS_FIRST_FD + count + 1);
        if (high[i] < 0) _exit(EXIT_OTHER);
    }
    for (int i = 0; i <= count; i++)
        if (dup2(high[i], SOCKETS_FIRST_FD + i) < 0) _exit(EXIT_OTHER);
    (void)snprintf(value, sizeof value, "%d:%lld:%u", SOCKETS_FIRST_FD + count, (long long)supervisor_pid, s->workers);
    bool ok = setenv(CONTROL_VARIABLE, value, 1) == 0;
    (void)snprintf(number, sizeof number, "%d", count);
    ok = ok && setenv("LISTEN_FDS", number, 1) == 0;
    (void)snprintf(number, sizeof number, "%lld", (long long)getpid());
    ok = ok && setenv("LISTEN_PID", number, 1) == 0;
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)s->notify.watchdog_us);
    if (ok && s->notify.watchdog_us > 0) ok = setenv("WATCHDOG_USEC", number, 1) == 0;
    (void)snprintf(value, sizeof value, "%lld %d", (long long)s->ended.pid, s->ended.status);
    if (ok && s->ended.pid > 0) ok = setenv(CONTROL_ENDED_VARIABLE, value, 1) == 0;
    if (ok) (void)execvp(s->program, s->argv);
    log_line(LOG_ERROR, NULL, "supervisor: cannot start %s: %s", s->program, strerror(errno));
    _exit(EXIT_NO_PROGRAM);
}

static bool watch(const supervisor *s, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data = {.fd = fd}};
    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

/* Gives the worker what it has not been given yet of the sockets that are held. */
static void hand_over(supervisor *s)
{
    control_result r = held_hand(s->held, s->control);
    struct epoll_event e = {.events = r == CONTROL_AGAIN ? EPOLLIN | EPOLLOUT : EPOLLIN, .data = {.fd = s->control}};
    if (epoll_ctl(s->epoll, EPOLL_CTL_MOD, s->control, &e) != 0)
        log_line(LOG_ERROR, NULL, "supervisor: epoll_ctl: %s", strerror(errno));
}

static void wait_before_start(supervisor *s)
{
    int64_t delay = 0;
    if (s->crashes > 0) delay = s->crashes > 8 ? BACKOFF_MAX_MS : (int64_t)BACKOFF_FIRST_MS << (s->crashes - 1);
    if (delay > BACKOFF_MAX_MS) delay = BACKOFF_MAX_MS;
    s->crashes++;
    if (s->crashes > CRASHES_MAX && held_count(s->held) > 0) {
        log_line(LOG_WARN, NULL, "supervisor: %u crashes in a row: %zu connections are given up", s->crashes,
                 held_count(s->held));
        held_release_all(s->held);
    }
    s->start_ms = now_ms() + delay;
    if (delay > 0) log_line(LOG_WARN, NULL, "supervisor: next start in %lld ms", (long long)delay);
}

static void start_worker(supervisor *s)
{
    int pair[2];
    assert(s->worker == 0 && s->control < 0);
    s->start_ms = s->kill_ms = 0;
    s->ready = s->leaving = s->aborted = false;
    s->heard_ms = 0;
    s->workers++;
    if (!control_pair(pair)) {
        log_line(LOG_ERROR, NULL, "supervisor: no socket to the worker: %s", strerror(errno));
        wait_before_start(s);
        return;
    }
    pid_t pid = fork();
    if (pid == 0) exec_worker(s, pair[1]);
    int reason = errno;
    close(pair[1]);
    if (pid < 0 || !watch(s, pair[0])) {
        log_line(LOG_ERROR, NULL, "supervisor: no worker: %s", strerror(pid < 0 ? reason : errno));
        close(pair[0]); /* a worker that was made takes this for our end, and drains */
        if (pid < 0)
            wait_before_start(s);
        else
            s->worker = pid;
        return;
    }
    s->worker = pid;
    s->control = pair[0];
    log_line(LOG_INFO, NULL, "supervisor: worker %lld started", (long long)pid);
    held_begin(s->held);
    hand_over(s);
}

static void drain_worker(supervisor *s)
{
    if (s->worker == 0 || s->leaving) return;
    s->leaving = true;
    s->heard_ms = 0;
    s->kill_ms = now_ms() + s->app->opt.drain_ms + DRAIN_GRACE_MS;
    /* By message, so that a signal which the whole process group gets as well counts once. */
    if (s->control >= 0 &&
        control_send(s->control, s->stopping ? CONTROL_DRAIN : CONTROL_REPLACE, 0, NULL, 0, -1) == CONTROL_OK)
        return;
    (void)kill(s->worker, SIGTERM);
}

static void on_ready(supervisor *s, bool run_ended_former)
{
    /* Neither the program nor one of the connections is what the workers die of. */
    if (run_ended_former) s->crashes = 1;
    s->ready = s->was_ready = true;
    s->ready_ms = now_ms();
    if (!s->leaving) s->heard_ms = s->ready_ms;
    if (s->stopping) return;
    log_line(LOG_INFO, NULL, "supervisor: worker %lld is ready", (long long)s->worker);
    notify_send(&s->notify, "READY=1\nMAINPID=%lld\nSTATUS=worker %lld serves", (long long)getpid(),
                (long long)s->worker);
}

static void on_message(supervisor *s, control_message *m)
{
    if (m->head.kind == CONTROL_READY) on_ready(s, m->head.key == 1);
    if (m->head.kind == CONTROL_BEAT) {
        notify_beat(&s->notify);
        if (s->heard_ms > 0) s->heard_ms = now_ms();
    }
    held_take(s->held, m);
}

/* All that was said so far, also by a worker that is dead. */
static void read_control(supervisor *s)
{
    control_result r = CONTROL_AGAIN;
    while (s->control >= 0 && (r = control_receive(s->control, s->message)) == CONTROL_OK) on_message(s, s->message);
    if (s->control < 0 || r != CONTROL_GONE) return;
    close(s->control);
    s->control = -1;
}

static void on_control(supervisor *s, uint32_t events)
{
    if (events & EPOLLOUT) hand_over(s);
    if (events & ~(uint32_t)EPOLLOUT) read_control(s);
}

/* ---- Its end ---- */

static void describe_end(int status, char text[64])
{
    if (WIFSIGNALED(status))
        (void)snprintf(text, 64, "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        (void)snprintf(text, 64, "ended with code %d", WEXITSTATUS(status));
}

static void finish(supervisor *s, int result)
{
    s->done = true;
    s->result = result;
}

static void on_worker_end(supervisor *s, int status)
{
    char how[64];
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    read_control(s);
    if (s->control >= 0) close(s->control);
    s->control = -1;
    describe_end(status, how);
    bool asked = s->leaving || (code == 0 && s->ready); /* somebody's SIGTERM to the worker alone is an upgrade too */
    log_line(asked && code == 0 ? LOG_INFO : LOG_WARN, NULL, "supervisor: worker %lld %s", (long long)s->worker, how);
    bool healthy = s->ready && now_ms() - s->ready_ms >= HEALTHY_MS;
    /* One that never had the data says nothing of it: the next is to know how the one before that ended. */
    if (s->ready || (code != EXIT_SETUP && code != EXIT_NO_PROGRAM)) s->ended = (control_ended){s->worker, status};
    s->worker = 0;
    s->kill_ms = s->heard_ms = 0;
    s->ready = false;
    if (s->stopping) {
        finish(s, WIFEXITED(status) ? code : EXIT_OTHER); /* killed: the second time asked, or --drain was over */
    } else if (!s->was_ready && (code == EXIT_SETUP || code == EXIT_NO_PROGRAM)) {
        finish(s, EXIT_SETUP); /* it has said why, and would say it again */
    } else if (asked) {
        s->crashes = 0;
        s->start_ms = now_ms();
    } else {
        if (healthy) s->crashes = 0;
        notify_send(&s->notify, "STATUS=worker %s, next start soon", how);
        wait_before_start(s);
    }
}

static void on_trial_end(supervisor *s, int status)
{
    char how[64];
    s->trial = 0;
    s->trial_end_ms = 0;
    if (s->stopping || s->leaving) return;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_OK) {
        describe_end(status, how);
        log_line(LOG_ERROR, NULL, "supervisor: %s would not start, its trial %s: worker %lld goes on", s->program, how,
                 (long long)s->worker);
        notify_send(&s->notify, "READY=1\nSTATUS=not replaced: the new program would not start");
        return;
    }
    log_line(LOG_INFO, NULL, "supervisor: the worker is replaced");
    drain_worker(s);
}

static void reap(supervisor *s)
{
    int status = 0;
    /* As the first process of a container it also gets orphans that nobody else waits for. */
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == s->worker)
            on_worker_end(s, status);
        else if (pid == s->trial)
            on_trial_end(s, status);
}

/* ---- Signals ---- */

static void on_stop(supervisor *s)
{
    if (s->stopping && s->worker > 0) {
        (void)kill(s->worker, SIGKILL); /* asked twice: at once, which loses nothing that was promised */
        return;
    }
    s->stopping = true;
    notify_send(&s->notify, "STOPPING=1\nSTATUS=draining");
    if (s->worker > 0)
        drain_worker(s);
    else
        finish(s, EXIT_OK);
}

static void on_upgrade(supervisor *s)
{
    if (s->stopping || s->leaving || s->trial > 0) return;
    log_line(LOG_INFO, NULL, "supervisor: SIGHUP, the program is tried first");
    notify_send(&s->notify, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=replacing the worker",
                (long long)now_ms() * 1000);
    pid_t pid = s->worker > 0 ? trial_start(s->program, s->argv, &s->mask_before) : 0;
    if (pid > 0) {
        s->trial = pid;
        s->trial_end_ms = now_ms() + TRIAL_MS;
    } else if (pid < 0) {
        log_line(LOG_ERROR, NULL, "supervisor: no process for the trial, the worker goes on: %s", strerror(errno));
        notify_send(&s->notify, "READY=1\nSTATUS=not replaced: no process can be made");
    } else {
        s->start_ms = now_ms();
    }
}

static void on_signals(supervisor *s)
{
    struct signalfd_siginfo info;
    bool child_ended = false;
    while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            child_ended = true;
        else if (info.ssi_signo == SIGHUP)
            on_upgrade(s);
        else
            on_stop(s);
    }
    /* Last: a Ctrl-C that the worker got too is then known as the reason of its end. */
    if (child_ended) reap(s);
}

/* ---- Time ---- */

static void sooner(int64_t *timeout, int64_t due, int64_t now)
{
    int64_t wait = due > now ? due - now : 0;
    if (due > 0 && (*timeout < 0 || wait < *timeout)) *timeout = wait;
}

/* While nobody serves, the supervisor itself tells the manager that all goes as it should. */
static int64_t beat_due(const supervisor *s)
{
    bool nobody_else = s->notify.watchdog_us > 0 && (!s->ready || s->aborted);
    return nobody_else ? s->beat_ms + (int64_t)(s->notify.watchdog_us / 2000) : 0;
}

/* Before the manager's watchdog ends the supervisor too, and with it all connections that it holds: the worker beats
 * twice in the manager's time. */
static int64_t hang_due(const supervisor *s)
{
    return s->heard_ms > 0 && s->notify.watchdog_us > 0 ? s->heard_ms + (int64_t)(s->notify.watchdog_us / 1250) : 0;
}

static void abort_worker(supervisor *s, int64_t now)
{
    log_line(LOG_WARN, NULL, "supervisor: worker %lld hangs, and is ended by SIGABRT", (long long)s->worker);
    s->aborted = true;
    s->heard_ms = 0;
    s->kill_ms = now + DRAIN_GRACE_MS; /* it may write a core */
    (void)kill(s->worker, SIGABRT);
}

static int64_t timeout_of(const supervisor *s)
{
    int64_t timeout = -1, now = now_ms();
    sooner(&timeout, s->start_ms, now);
    sooner(&timeout, s->kill_ms, now);
    sooner(&timeout, s->trial_end_ms, now);
    sooner(&timeout, beat_due(s), now);
    sooner(&timeout, hang_due(s), now);
    if (notify_waits(&s->notify)) sooner(&timeout, now + NOTIFY_AGAIN_MS, now);
    return timeout;
}

static void on_time(supervisor *s)
{
    int64_t now = now_ms(), beat = beat_due(s), hang = hang_due(s);
    notify_again(&s->notify);
    if (hang > 0 && now >= hang) abort_worker(s, now);
    if (s->kill_ms > 0 && now >= s->kill_ms) {
        log_line(LOG_WARN, NULL, "supervisor: worker %lld does not end%s and is killed", (long long)s->worker,
                 s->aborted ? "" : " after --drain");
        (void)kill(s->worker, SIGKILL);
        s->kill_ms = 0;
    }
    if (s->trial_end_ms > 0 && now >= s->trial_end_ms) {
        log_line(LOG_WARN, NULL, "supervisor: the trial of %s does not end and is killed", s->program);
        (void)kill(s->trial, SIGKILL);
        s->trial_end_ms = 0;
    }
    if (beat > 0 && now >= beat) {
        notify_beat(&s->notify);
        s->beat_ms = now;
    }
    if (s->start_ms > 0 && now >= s->start_ms) start_worker(s);
}

/* ---- The whole ---- */

static bool setup(supervisor *s)
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
    return s->argv && s->message && s->held && s->epoll >= 0 && s->signals >= 0 && watch(s, s->signals) &&
           find_program(s);
}

static void loop(supervisor *s)
{
    struct epoll_event events[EVENTS];
    s->start_ms = now_ms();
    while (!s->done) {
        int n = epoll_wait(s->epoll, events, EVENTS, (int)timeout_of(s));
        if (n < 0 && errno != EINTR) {
            log_line(LOG_ERROR, NULL, "supervisor: epoll_wait: %s", strerror(errno));
            finish(s, EXIT_OTHER); /* the worker sees the socket close, and drains */
        }
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == s->signals)
                on_signals(s);
            else if (events[i].data.fd == s->control)
                on_control(s, events[i].events);
        }
        if (!s->done) on_time(s);
    }
}

int supervise_run(const sw_app *app, sockets *inherited, char **argv)
{
    supervisor *s = calloc(1, sizeof *s);
    if (!s) return EXIT_OTHER;
    *s = (supervisor){.app = app, .sockets = inherited, .epoll = -1, .signals = -1, .control = -1};
    notify_open(&s->notify);
    s->argv = command_read(argv);
    int result = EXIT_OTHER;
    if (setup(s)) {
        loop(s);
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
