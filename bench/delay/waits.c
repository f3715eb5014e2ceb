/* waits: the requests that wait, in order of time behind one timerfd, so that thousands at once cost little. No timer
 * of libuv, whose time is counted in milliseconds: the answer would be half of one late. */
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench/delay/delay.h"

enum { SECOND_NS = 1000000000 };

static delay_wait *first, *last;
static uv_poll_t watch;
static int timer;

static void arm(void)
{
    if (!first) return;
    const struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(first->due_ns / SECOND_NS), .tv_nsec = (long)(first->due_ns % SECOND_NS)}};
    must(timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL) == 0, "timer"); /* uv_hrtime is CLOCK_MONOTONIC */
}

static void on_due(uv_poll_t *p, int status, int events)
{
    (void)p, (void)status, (void)events;
    uint64_t times, now = uv_hrtime();
    must(read(timer, &times, sizeof times) == sizeof times, "timer");
    while (first && first->due_ns <= now) {
        delay_wait *w = first;
        delay_conn *c = w->conn;
        first = w->next;
        if (!first) last = NULL;
        c->waiting--;
        if (w == &c->wait)
            http1_answer(c);
        else
            http2_answer(w);
    }
    http2_send_all();
    arm();
}

void waits_start(uv_loop_t *loop)
{
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    must(timer >= 0 && uv_poll_init(loop, &watch, timer) == 0 && uv_poll_start(&watch, UV_READABLE, on_due) == 0,
         "timer");
}

void waits_add(delay_wait *w)
{
    bool was_empty = first == NULL;
    w->due_ns = uv_hrtime() + delay.delay_ns;
    w->next = NULL;
    w->conn->waiting++;
    seen.requests++;
    if (last)
        last->next = w;
    else
        first = w;
    last = w;
    if (was_empty) arm();
}
