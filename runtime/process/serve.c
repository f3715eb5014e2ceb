#include "runtime/process/serve.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/loop/loop.h"
#include "runtime/process/blocked.h"
#include "runtime/process/notify.h"
#include "runtime/recovery/crash.h"
#include "runtime/recovery/occupant.h"
#include "runtime/recovery/presence.h"
#include "runtime/survive/control.h"

enum {
    KEPT_WAIT_MS = 10000, /* for what the supervisor has: longer is none of this version */
    PUT_OFF_MS = 100      /* how often is looked whether a journal that was opened for reading can be written */
};

typedef struct serving {
    sw_app *app;
    const presence *own;
    const sigset_t *stop_signals;
    notify notify;
    int signals;              /* signalfd */
    int ended;                /* eventfd: counts loops that have ended */
    int control;              /* to the supervisor; -1: none, or it has gone */
    control_message *message; /* owned; NULL without supervisor */
    blocked_watch *blocked;   /* NULL: nobody watches, or it drains */
    unsigned started, joinable;
    bool draining;
    bool is_unheard;         /* the supervisor's socket was full: it does not know yet that this worker serves */
    bool all_back;           /* the supervisor has handed over all that it holds, or there is none */
    control_kind drain_soon; /* what the supervisor said before the loops ran; 0: nothing */
    uint64_t beat_us;        /* how often the watchdog is told; 0: there is none */
    uint64_t next_beat_us;
} serving;

typedef struct loop_thread {
    sw_loop *loop;
    int ended;
} loop_thread;

static uint64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void run_loop_thread(void *arg)
{
    loop_thread *t = arg;
    uint64_t one = 1;
    loop_run(t->loop);
    ssize_t n = write(t->ended, &one, sizeof one);
    assert(n == (ssize_t)sizeof one);
    (void)n;
    free(t);
}

static bool start_threads(serving *s)
{
    for (s->started = 0; s->started < s->app->loop_count; s->started++) {
        sw_loop *l = &s->app->loops[s->started];
        loop_thread *t = malloc(sizeof *t);
        if (t) *t = (loop_thread){l, s->ended};
        int rc = t ? uv_thread_create(&l->thread, run_loop_thread, t) : UV_ENOMEM;
        if (rc == 0) continue;
        free(t);
        log_line(LOG_ERROR, NULL, "no thread for loop %u: %s", s->started, uv_strerror(rc));
        return false;
    }
    return true;
}

/* ---- Telling others ---- */

/* False: the supervisor's socket is full. */
static bool tell_supervisor(const serving *s, control_kind kind, uint64_t key)
{
    return control_send(s->control, kind, key, NULL, 0, -1) != CONTROL_AGAIN;
}

static bool say_beat(serving *s)
{
    if (s->control >= 0) return tell_supervisor(s, CONTROL_BEAT, 0);
    notify_beat(&s->notify);
    return true;
}

/* It is said again until it has been: what the loops say of their connections may fill the supervisor's socket. */
static void say_ready(serving *s)
{
    if (s->control >= 0)
        s->is_unheard = !tell_supervisor(s, CONTROL_READY, s->app->run_ended_former);
    else
        notify_send(&s->notify, "READY=1\nSTATUS=serving");
}

static bool has_to_say(const serving *s) { return s->is_unheard || notify_waits(&s->notify); }

static void say_again(serving *s)
{
    if (s->is_unheard) say_ready(s);
    notify_again(&s->notify);
}

static void hangs(const sw_loop *l)
{
    occupant who;
    bool is_kept = occupant_read(&l->home.sched, &who) && *who.label; /* else it moves, if slowly */
    if (is_kept || who.switches % 2 == 0) crash_hang(&l->home.sched.switches, &who);
    log_line(LOG_WARN, is_kept && *who.run ? who.run : NULL, "loop %u does not answer%s%s: the watchdog is not told",
             l->home.index, is_kept ? ", it is kept by " : "", is_kept ? who.label : "");
}

/* While a loop hangs the manager hears no more from this process: its watchdog, or the supervisor, ends the process. */
static void beat(serving *s)
{
    if (s->beat_us == 0 || now_us() < s->next_beat_us) return;
    s->next_beat_us = now_us() + s->beat_us;
    bool all = true;
    crash_hang_end();
    /* While it drains, loops end one by one and cannot be asked: the time for that is limited otherwise. */
    for (unsigned i = 0; i < s->started && !s->draining; i++) {
        if (loop_answered(&s->app->loops[i])) continue;
        hangs(&s->app->loops[i]);
        all = false;
    }
    if (!all) return;
    for (unsigned i = 0; i < s->started && !s->draining; i++) loop_ask(&s->app->loops[i]);
    if (!say_beat(s)) s->next_beat_us = now_us() + s->beat_us / 8;
}

static void drain(serving *s, loop_end end)
{
    if (s->draining) return;
    s->draining = true;
    log_line(LOG_INFO, NULL, "draining: running steps have %lld ms to end", (long long)s->app->opt.drain_ms);
    notify_send(&s->notify, "STOPPING=1\nSTATUS=draining");
    blocked_watch_stop(s->blocked); /* loops end one by one from now on */
    s->blocked = NULL;
    for (unsigned i = 0; i < s->started; i++) loop_drain(&s->app->loops[i], end);
}

/* ---- Waiting ---- */

/* The next one ends the process. What the supervisor says does not count as one: whoever signals the whole group, a
 * terminal or a service manager, would else mean both by one signal. */
static void on_signal(serving *s)
{
    struct signalfd_siginfo info;
    if (read(s->signals, &info, sizeof info) != (ssize_t)sizeof info) return;
    drain(s, s->control >= 0 ? LOOP_FOLLOWED : LOOP_STOPPED);
    (void)pthread_sigmask(SIG_UNBLOCK, s->stop_signals, NULL);
}

/* Nobody else comes back from a former process. Loops that drain end nobody's run for that, and may be gone. */
static void all_are_back(serving *s)
{
    bool tell = !s->all_back && !s->draining;
    s->all_back = true;
    for (unsigned i = 0; i < s->app->loop_count && tell; i++) loop_all_back(&s->app->loops[i]);
}

/* A client that a former worker had: false, and its descriptor is closed, if the message is about none. */
static bool take_back(serving *s, control_message *m)
{
    if (m->head.kind == CONTROL_KEPT_ALL) all_are_back(s);
    if (m->fd < 0) return false;
    if (m->head.kind == CONTROL_KEPT)
        loop_take_back(s->app, m->head.key, m->fd, m->data, m->head.len);
    else
        close(m->fd);
    return m->head.kind == CONTROL_KEPT;
}

static loop_end end_of(control_kind kind) { return kind == CONTROL_REPLACE ? LOOP_REPLACED : LOOP_STOPPED; }

static void on_control(serving *s)
{
    control_result r;
    while ((r = control_receive(s->control, s->message)) == CONTROL_OK) {
        control_message *m = s->message;
        control_kind kind = m->head.kind;
        take_back(s, m);
        if (kind == CONTROL_DRAIN || kind == CONTROL_REPLACE) drain(s, end_of(kind));
    }
    if (r != CONTROL_GONE) return;
    log_line(LOG_WARN, NULL, "the supervisor has gone");
    s->control = -1; /* the loops may be writing to it: it is closed with the process */
    s->is_unheard = false;
    all_are_back(s);
    drain(s, LOOP_STOPPED);
}

/* What clients former workers had, before any run goes on: a run may end at once, and be deleted. */
static void take_back_connections(serving *s)
{
    uint64_t until = now_us() + KEPT_WAIT_MS * 1000ULL;
    size_t count = 0;
    for (control_kind kind = CONTROL_BEAT; kind != CONTROL_KEPT_ALL && now_us() < until;) {
        struct pollfd p = {.fd = s->control, .events = POLLIN};
        control_message *m = s->message;
        control_result r = control_receive(s->control, m);
        if (r == CONTROL_AGAIN) (void)poll(&p, 1, (int)((until - now_us()) / 1000));
        if (r == CONTROL_GONE) break; /* seen again when the loops run */
        if (r != CONTROL_OK) continue;
        kind = m->head.kind;
        if (kind == CONTROL_DRAIN || kind == CONTROL_REPLACE) s->drain_soon = kind;
        if (take_back(s, m)) count++;
    }
    if (count > 0) log_line(LOG_INFO, NULL, "%zu connections of former workers taken over", count);
}

static int timeout_of(const serving *s)
{
    uint64_t now = now_us();
    int longest = has_to_say(s) ? NOTIFY_AGAIN_MS : s->app->put_off ? PUT_OFF_MS : -1;
    if (s->beat_us == 0) return longest;
    int left = s->next_beat_us > now ? (int)((s->next_beat_us - now) / 1000) + 1 : 0;
    return longest >= 0 && longest < left ? longest : left;
}

static void wait_for_loops(serving *s)
{
    uint64_t ended = 0, n = 0;
    if (s->started < s->app->loop_count) drain(s, LOOP_STOPPED);
    if (s->drain_soon) drain(s, end_of(s->drain_soon));
    while (ended < s->started) {
        struct pollfd fds[3] = {{s->ended, POLLIN, 0}, {s->signals, POLLIN, 0}, {s->control, POLLIN, 0}};
        if (poll(fds, s->control >= 0 ? 3 : 2, timeout_of(s)) < 0 && errno != EINTR) {
            log_line(LOG_ERROR, NULL, "poll: %s", strerror(errno));
            drain(s, LOOP_STOPPED);
            break; /* joining waits as well */
        }
        if (fds[1].revents) on_signal(s);
        if (s->control >= 0 && fds[2].revents) on_control(s);
        if (fds[0].revents && read(s->ended, &n, sizeof n) == (ssize_t)sizeof n) ended += n;
        say_again(s);
        beat(s);
        if (s->app->put_off && !s->draining) presence_go_on(s->own, s->app);
    }
}

static bool setup(serving *s)
{
    notify_open(&s->notify);
    s->beat_us = s->notify.fd >= 0 || s->control >= 0 ? s->notify.watchdog_us / 2 : 0;
    s->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->signals = signalfd(-1, s->stop_signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->control >= 0) s->message = malloc(sizeof *s->message);
    if (s->ended >= 0 && s->signals >= 0 && (s->message || s->control < 0)) return true;
    log_line(LOG_ERROR, NULL, "the main thread cannot wait: %s", strerror(errno));
    return false;
}

bool serve_until_stopped(sw_app *app, const presence *own, const sigset_t *stop_signals)
{
    serving s = {
        .app = app, .own = own, .stop_signals = stop_signals, .control = app->control, .ended = -1, .signals = -1};
    /* Without it nobody could tell the loops to end: no thread is started. */
    bool ok = setup(&s);
    if (ok) {
        if (s.control >= 0)
            take_back_connections(&s);
        else
            all_are_back(&s);
        ok = start_threads(&s);
        if (ok) s.blocked = blocked_watch_start(app);
        if (ok) say_ready(&s);
        wait_for_loops(&s);
    }
    blocked_watch_stop(s.blocked);
    for (unsigned i = 0; i < s.started; i++) (void)uv_thread_join(&app->loops[i].thread);
    for (unsigned i = 0; i < s.started; i++) loop_free(&app->loops[i]);
    log_line(LOG_INFO, NULL, "stopped");
    if (s.ended >= 0) close(s.ended);
    if (s.signals >= 0) close(s.signals);
    notify_close(&s.notify);
    free(s.message);
    return ok;
}
