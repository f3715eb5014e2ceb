/* clock_watch: notices that the wall clock was set, and tells the sleepers of one loop that go by it. Part of its loop,
 * which closes it. Where the kernel cannot tell of a set clock, it is noticed when somebody next reads the clock. */
#ifndef RUNTIME_LOOP_CLOCK_WATCH_H
#define RUNTIME_LOOP_CLOCK_WATCH_H

#include <stdbool.h>
#include <uv.h>

struct home;

typedef struct clock_watch {
    struct home *home;
    uv_poll_t handle;
    int fd; /* a timer that is far away; -1: none */
} clock_watch;

/* False: the handle could not be made. */
bool clock_watch_open(clock_watch *w, struct home *h);
void clock_watch_close(clock_watch *w);

/* Once a turn. */
void clock_watch_turn(struct home *h);

#endif
