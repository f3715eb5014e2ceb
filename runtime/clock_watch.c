#include "runtime/clock_watch.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "runtime/log.h"
#include "runtime/loop.h"

static const time_t FAR_S = (time_t)1 << 33; /* the year 2242 */

/* Fires only when the clock is set (ECANCELED), or the machine has slept. */
static bool arm(int fd)
{
    const struct itimerspec far = {.it_value.tv_sec = FAR_S};
    return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL) == 0;
}

static void on_readable(uv_poll_t *h, int status, int events)
{
    sw_loop *l = h->data;
    uint64_t ignored;
    (void)status;
    (void)events;
    if (read(l->clock_watch.fd, &ignored, sizeof ignored) < 0) (void)arm(l->clock_watch.fd);
    timers_look(&l->timers);
    (void)clock_now(&l->clock); /* the turn that this event is part of tells the sleepers */
}

bool clock_watch_open(sw_loop *l)
{
    clock_watch *w = &l->clock_watch;
    w->fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (w->fd < 0) return false;
    if (!arm(w->fd) && l->index == 0)
        log_line(LOG_WARN, NULL,
                 "the kernel does not tell when the clock is set: sleeps until a point in time may be late");
    if (uv_poll_init(&l->uv, &w->handle, w->fd) != 0) return false;
    w->handle.data = l;
    return uv_poll_start(&w->handle, UV_READABLE, on_readable) == 0;
}

static void on_closed(uv_handle_t *h)
{
    sw_loop *l = h->data;
    close(l->clock_watch.fd);
}

void clock_watch_close(sw_loop *l) { uv_close((uv_handle_t *)&l->clock_watch.handle, on_closed); }

void clock_watch_turn(sw_loop *l)
{
    int64_t by_ms;
    const run *r;
    if (!clock_take_set(&l->clock, &by_ms)) return;
    if (l->index == 0)
        log_line(LOG_WARN, NULL,
                 "the wall clock was set %s by %lld ms: sleeps until a point in time follow it, other waits do not",
                 by_ms < 0 ? "back" : "forward", llabs((long long)by_ms));
    TAILQ_FOREACH(r, &l->unlisted, unlisted) run_clock_set(r);
    LIST_FOREACH(r, &l->plain_runs, plain_runs) run_clock_set(r);
    slots_clock_set(l);
}
