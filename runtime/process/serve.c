#include "runtime/process/serve.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/loop/loop.h"
#include "runtime/process/blocked.h"
#include "runtime/recovery/crash.h"
#include "runtime/recovery/occupant.h"
#include "runtime/recovery/presence.h"
#include "runtime/supervise/awake_clock.h"
#include "runtime/supervise/notify.h"
#include "runtime/survive/control.h"

enum {
    TAKE_BACK_WAIT_MS = 10000, /* for the held connections; a supervisor of this version needs less */
    PUT_OFF_RETRY_MS = 100     /* how often a journal that was opened for reading only is tried for writing */
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
    blocked_watch *blocked;   /* owned; NULL: nobody watches, or it drains */
    unsigned threads_started; /* of the loops before that many */
    bool is_draining;
    bool is_unheard;         /* the supervisor's socket was full: it does not know yet that this worker serves */
    bool has_all_back;       /* the supervisor has handed over all that it holds, or there is none */
    control_kind drain_soon; /* what the supervisor said before the loops ran; 0: nothing */
    uint64_t beat_us;        /* how often the watchdog is told; 0: there is none */
    uint64_t next_beat_us;   /* awake clock */
} serving;

/* What a loop's thread gets; freed by it. */
typedef struct loop_thread {
    sw_loop *loop;
    int ended; /* the eventfd */
} loop_thread;

static void loop_thread_run(void *arg)
{
    loop_thread *t = arg;
    uint64_t one = 1;
    char name[16];
    assert(t->ended >= 0);
    (void)snprintf(name, sizeof name, "sw-loop-%u", t->loop->home.index);
    (void)pthread_setname_np(pthread_self(), name);
    loop_run(t->loop);
    ssize_t n = write(t->ended, &one, sizeof one);
    assert(n == (ssize_t)sizeof one);
    (void)n;
    free(t);
}

static bool serving_start_threads(serving *s)
{
    for (s->threads_started = 0; s->threads_started < s->app->loop_count; s->threads_started++) {
        sw_loop *l = &s->app->loops[s->threads_started];
        loop_thread *t = malloc(sizeof *t);
        if (t) *t = (loop_thread){l, s->ended};
        int rc = t ? uv_thread_create(&l->thread, loop_thread_run, t) : UV_ENOMEM;
        if (rc == 0) continue;
        free(t);
        log_line(LOG_ERROR, NULL, "no thread for loop %u: %s", s->threads_started, uv_strerror(rc));
        return false;
    }
    return true;
}

/* ---- Telling others ---- */

/* False: the supervisor's socket is full. */
static bool tell_supervisor(const serving *s, control_kind kind, uint64_t key)
{
    return control_send(s->control, (control_head){.kind = (uint16_t)kind, .key = key}, NULL, 0, -1) != CONTROL_AGAIN;
}

static bool serving_tell_beat(serving *s)
{
    if (s->control >= 0) return tell_supervisor(s, CONTROL_BEAT, 0);
    notify_beat(&s->notify);
    return true;
}

/* Says that all loops serve. Is to be called again while is_unheard: what the loops say of their connections may have
 * filled the supervisor's socket. */
static void serving_tell_ready(serving *s)
{
    if (s->control >= 0)
        s->is_unheard = !tell_supervisor(s, CONTROL_READY, s->app->ended_by_runs > 0);
    else
        notify_send(&s->notify, "READY=1\nSTATUS=serving");
}

static bool serving_has_to_tell(const serving *s) { return s->is_unheard || notify_has_unsent(&s->notify); }

static void serving_tell_again(serving *s)
{
    if (s->is_unheard) serving_tell_ready(s);
    notify_retry(&s->notify);
}

/* Logs that the loop does not answer, and records for the next process which run is to blame, if one is. */
static void loop_report_hang(const sw_loop *l)
{
    occupant who;
    bool is_occupied = occupant_read(&l->home.sched, &who) && *who.label; /* else the loop turns, if slowly */
    if (is_occupied || who.switches % 2 == 0) crash_hang(&l->home.sched.switches, &who);
    log_line(LOG_WARN, is_occupied && *who.run ? who.run : NULL,
             "loop %u does not answer%s%s: the watchdog is not told", l->home.index,
             is_occupied ? ", it is kept by " : "", is_occupied ? who.label : "");
}

/* Tells the watchdog that every loop turns, when that is due. While a loop hangs nothing is told: then the service
 * manager, or the supervisor, ends the process. */
static void serving_beat(serving *s)
{
    if (s->beat_us == 0 || awake_clock_us() < s->next_beat_us) return;
    s->next_beat_us = awake_clock_us() + s->beat_us;
    bool all_answered = true;
    assert(s->threads_started <= s->app->loop_count);
    crash_hang_end();
    /* While the process drains, loops end one by one and cannot be asked; --drain limits the time for that. */
    for (unsigned i = 0; i < s->threads_started && !s->is_draining; i++) {
        if (loop_answered(&s->app->loops[i])) continue;
        loop_report_hang(&s->app->loops[i]);
        all_answered = false;
    }
    if (!all_answered) return;
    for (unsigned i = 0; i < s->threads_started && !s->is_draining; i++) loop_ask(&s->app->loops[i]);
    if (!serving_tell_beat(s)) s->next_beat_us = awake_clock_us() + s->beat_us / 8;
}

/* Tells all loops to drain, once; they end one by one from then on. */
static void serving_drain(serving *s, loop_end end)
{
    if (s->is_draining) return;
    s->is_draining = true;
    s->app->drain_until_ms = clock_steady_ms() + s->app->opt.drain_ms;
    s->app->is_followed = end != LOOP_STOPPED;
    log_line(LOG_INFO, NULL, "draining: running steps have %lld ms to end", (long long)s->app->opt.drain_ms);
    notify_send(&s->notify, "STOPPING=1\nSTATUS=draining");
    blocked_watch_stop(s->blocked); /* it looks into loops, which are about to end */
    s->blocked = NULL;
    for (unsigned i = 0; i < s->threads_started; i++) loop_drain(&s->app->loops[i], end);
}

/* ---- Waiting ---- */

/* The first stop signal drains; it unblocks them, so that the next one ends the process. The supervisor's word to drain
 * does not count as the first: a terminal or a service manager signals the whole group, so that the one signal and the
 * supervisor's word would end the process together. */
static void serving_on_signal(serving *s)
{
    struct signalfd_siginfo info;
    if (read(s->signals, &info, sizeof info) != (ssize_t)sizeof info) return;
    serving_drain(s, s->control >= 0 ? LOOP_FOLLOWED : LOOP_STOPPED);
    (void)pthread_sigmask(SIG_UNBLOCK, s->stop_signals, NULL);
}

/* No more connections come back from a former process: tells the loops, which then end runs that were tied to clients
 * that are gone (SW_CANCEL). Loops that drain end nobody's run for that, and may have ended: they are not told. */
static void serving_end_take_back(serving *s)
{
    bool tell = !s->has_all_back && !s->is_draining;
    assert(s->threads_started == 0 || s->threads_started == s->app->loop_count || s->is_draining);
    s->has_all_back = true;
    for (unsigned i = 0; i < s->app->loop_count && tell; i++) loop_all_back(&s->app->loops[i]);
}

/* Gives the connection that the message brings back to its loop. False: the message brings none; a descriptor that it
 * has all the same is closed. */
static bool serving_take_back(serving *s, control_message *m)
{
    if (m->head.kind == CONTROL_KEPT_ALL) serving_end_take_back(s);
    if (m->fd < 0) return false;
    if (m->head.kind == CONTROL_KEPT)
        loop_take_back(s->app, m->head.key, m->fd, m->data, m->head.len);
    else
        close(m->fd);
    return m->head.kind == CONTROL_KEPT;
}

static loop_end loop_end_of(control_kind kind) { return kind == CONTROL_REPLACE ? LOOP_REPLACED : LOOP_STOPPED; }

static void serving_on_control(serving *s)
{
    control_result r;
    while ((r = control_receive(s->control, s->message)) == CONTROL_OK) {
        control_message *m = s->message;
        control_kind kind = m->head.kind;
        serving_take_back(s, m);
        if (kind == CONTROL_DRAIN || kind == CONTROL_REPLACE) serving_drain(s, loop_end_of(kind));
    }
    if (r != CONTROL_GONE) return;
    log_line(LOG_WARN, NULL, "the supervisor has gone");
    s->control = -1; /* the loops may be writing to it: it is closed with the process */
    s->is_unheard = false;
    serving_end_take_back(s);
    serving_drain(s, LOOP_STOPPED);
}

/* Takes back the connections of former workers before any run goes on: a run may end at once, and be deleted, before
 * its client is back. */
static void serving_take_back_all(serving *s)
{
    assert(s->threads_started == 0);
    assert(s->control >= 0);
    uint64_t until = awake_clock_us() + TAKE_BACK_WAIT_MS * 1000ULL;
    size_t count = 0;
    control_kind kind = CONTROL_BEAT;
    for (uint64_t now; kind != CONTROL_KEPT_ALL && (now = awake_clock_us()) < until;) {
        struct pollfd p = {.fd = s->control, .events = POLLIN};
        control_message *m = s->message;
        control_result r = control_receive(s->control, m);
        if (r == CONTROL_AGAIN) (void)poll(&p, 1, (int)((until - now) / 1000));
        if (r == CONTROL_GONE) break; /* serving_on_control sees it again when the loops run */
        if (r != CONTROL_OK) continue;
        kind = m->head.kind;
        if (kind == CONTROL_DRAIN || kind == CONTROL_REPLACE) s->drain_soon = kind;
        if (serving_take_back(s, m)) count++;
    }
    if (count > 0) log_line(LOG_INFO, NULL, "%zu connections of former workers taken over", count);
}

/* Of poll, in milliseconds; -1: none. */
static int serving_timeout(const serving *s)
{
    uint64_t now = awake_clock_us();
    int longest = serving_has_to_tell(s) ? NOTIFY_RETRY_MS : s->app->put_off ? PUT_OFF_RETRY_MS : -1;
    if (s->beat_us == 0) return longest;
    int left = s->next_beat_us > now ? (int)((s->next_beat_us - now) / 1000) + 1 : 0;
    return longest >= 0 && longest < left ? longest : left;
}

static void serving_wait(serving *s)
{
    uint64_t ended = 0, n = 0;
    if (s->threads_started < s->app->loop_count) serving_drain(s, LOOP_STOPPED);
    if (s->drain_soon) serving_drain(s, loop_end_of(s->drain_soon));
    while (ended < s->threads_started) {
        struct pollfd fds[3] = {{s->ended, POLLIN, 0}, {s->signals, POLLIN, 0}, {s->control, POLLIN, 0}};
        if (poll(fds, s->control >= 0 ? 3 : 2, serving_timeout(s)) < 0 && errno != EINTR) {
            log_line(LOG_ERROR, NULL, "poll: %s", strerror(errno));
            serving_drain(s, LOOP_STOPPED);
            break; /* joining the threads waits for them too */
        }
        if (fds[1].revents) serving_on_signal(s);
        if (s->control >= 0 && fds[2].revents) serving_on_control(s);
        if (fds[0].revents && read(s->ended, &n, sizeof n) == (ssize_t)sizeof n) ended += n;
        assert(ended <= s->threads_started);
        serving_tell_again(s);
        serving_beat(s);
        if (s->app->put_off && !s->is_draining) presence_go_on(s->own, s->app);
    }
}

static bool serving_setup(serving *s)
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

static void serving_close(serving *s)
{
    if (s->ended >= 0) close(s->ended);
    if (s->signals >= 0) close(s->signals);
    notify_close(&s->notify);
    free(s->message);
}

bool serve_until_stopped(sw_app *app, const presence *own, const sigset_t *stop_signals)
{
    serving s = {
        .app = app, .own = own, .stop_signals = stop_signals, .control = app->control, .ended = -1, .signals = -1};
    assert(app->loops);
    assert(app->loop_count >= 1);
    bool ok = serving_setup(&s); /* without it nobody could tell the loops to end: no thread is started */
    if (ok) {
        if (s.control >= 0)
            serving_take_back_all(&s);
        else
            serving_end_take_back(&s);
        ok = serving_start_threads(&s);
        if (ok) s.blocked = blocked_watch_start(app);
        if (ok) serving_tell_ready(&s);
        serving_wait(&s);
    }
    blocked_watch_stop(s.blocked);
    for (unsigned i = 0; i < s.threads_started; i++) (void)uv_thread_join(&app->loops[i].thread);
    for (unsigned i = 0; i < s.threads_started; i++) loop_free(&app->loops[i]);
    log_line(LOG_INFO, NULL, "stopped");
    serving_close(&s);
    return ok;
}
