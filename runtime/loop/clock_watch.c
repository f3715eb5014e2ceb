#include "runtime/loop/clock_watch.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/flow/schedules.h"
#include "runtime/run/home.h"
#include "runtime/run/plain.h"
#include "runtime/run/run.h"

static const time_t FAR_S = (time_t)1 << 33; /* the year 2242 */

/* Arms the timer, which becomes readable only when the clock is set (ECANCELED), or the machine has slept. */
static bool clock_watch_arm(int fd)
{
    const struct itimerspec far = {.it_value.tv_sec = FAR_S};
    return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL) == 0;
}

static void clock_watch_on_readable(uv_poll_t *handle, int status, int events)
{
    const clock_watch *w = handle->data;
    uint64_t ignored;
    (void)status;
    (void)events;
    if (read(w->fd, &ignored, sizeof ignored) < 0) (void)clock_watch_arm(w->fd);
    timers_look(&w->home->timers);
    (void)clock_now(&w->home->clock); /* reads the clock: clock_watch_turn() of this turn tells the sleepers */
}

bool clock_watch_open(clock_watch *w, home *h)
{
    assert(h->uv);
    w->home = h;
    w->fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (w->fd < 0) return false;
    if (!clock_watch_arm(w->fd) && h->index == 0)
        log_line(LOG_WARN, NULL,
                 "the kernel does not tell when the clock is set: sleeps until a point in time may be late");
    if (uv_poll_init(h->uv, &w->handle, w->fd) != 0) return false;
    w->handle.data = w;
    return uv_poll_start(&w->handle, UV_READABLE, clock_watch_on_readable) == 0;
}

static void clock_watch_on_closed(uv_handle_t *handle)
{
    const clock_watch *w = handle->data;
    assert(w->fd >= 0); /* the handle was made for it */
    close(w->fd);
}

void clock_watch_close(clock_watch *w) { uv_close((uv_handle_t *)&w->handle, clock_watch_on_closed); }

void clock_watch_turn(home *h)
{
    int64_t by_ms;
    const run *r;
    const plain *p;
    if (!clock_take_set(&h->clock, &by_ms)) return;
    if (h->index == 0)
        log_line(LOG_WARN, NULL,
                 "the wall clock was set %s by %lld ms: sleeps until a point in time follow it, other waits do not",
                 by_ms < 0 ? "back" : "forward", llabs((long long)by_ms));
    TAILQ_FOREACH(r, &h->runs.slotless, slotless) task_clock_set(&r->task);
    LIST_FOREACH(p, &h->runs.plain, in_home) task_clock_set(&p->task);
    slots_clock_set(h);
    schedules_look(h);
}
