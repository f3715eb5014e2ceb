/* clock_watch: notices that the wall clock was set, and tells the sleepers of one loop that go by it. Part of its loop,
 * which opens and closes it; owns a descriptor. Where the kernel does not tell that the clock was set, the next reading
 * of the clock shows it. */
#ifndef RUNTIME_LOOP_CLOCK_WATCH_H
#define RUNTIME_LOOP_CLOCK_WATCH_H

#include <stdbool.h>
#include <uv.h>

struct home;

typedef struct clock_watch {
    struct home *home;
    uv_poll_t handle;
    int fd; /* a timer that is far away, owned; -1: none */
} clock_watch;

/* False: the handle could not be made. */
bool clock_watch_open(clock_watch *w, struct home *h);
void clock_watch_close(clock_watch *w);

/* Has the waits of a home follow the wall clock, if it was set; once a turn. */
void clock_watch_turn(struct home *h);

#endif
