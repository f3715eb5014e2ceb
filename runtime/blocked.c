#include "runtime/blocked.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "runtime/log.h"
#include "runtime/loop.h"

enum { TEXT_MAX = 256, PAGE = 4096, STILL_MS = 1000, BETWEEN_LINES_MS = 1000 };

/* What is known of one loop. */
typedef struct watched {
    uint64_t switches; /* of its sched when it was looked at last */
    int64_t since_ms;  /* it has not switched since then at the latest */
    int64_t said_ms;   /* when a line was written about it; 0: never */
    int64_t still_ms;  /* after which a run that goes on is told of again */
    bool is_late;      /* over --block-warn; `label` and `step` say who */
    unsigned left_out; /* ended meanwhile without a line of their own */
    char label[TEXT_MAX], step[TEXT_MAX];
} watched;

struct blocked_watch {
    sw_app *app;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ends;
    bool stopping; /* under lock */
    watched loops[];
};

static int64_t steady_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A text of the running coroutine, which may come back at any moment and take the memory with it: only the kernel reads
 * that without a fault. Whether it still was the text is known by the sched's count afterwards. */
static void copy_text(char to[TEXT_MAX], const char *from)
{
    to[0] = 0;
    if (!from) return;
    size_t first = PAGE - (uintptr_t)from % PAGE; /* the next page may not be there */
    if (first > TEXT_MAX - 1) first = TEXT_MAX - 1;
    struct iovec local = {to, TEXT_MAX - 1};
    struct iovec remote[2] = {{(void *)(uintptr_t)from, first},
                              {(void *)(uintptr_t)(from + first), TEXT_MAX - 1 - first}};
    ssize_t n = process_vm_readv(getpid(), &local, 1, remote, 2, 0);
    to[n > 0 ? n : 0] = 0;
}

/* The label is "ROUTE run ID", the ROUTE alone in a plain route. */
static void say(watched *w, unsigned loop, int64_t ms, bool goes_on)
{
    char route[TEXT_MAX], *id = NULL;
    (void)snprintf(route, sizeof route, "%s", w->label[0] ? w->label : "a handler");
    for (char *at = route; (at = strstr(at, " run ")); at += 5) id = at;
    if (id) *id = 0;
    log_line(LOG_WARN, id ? id + 5 : NULL, "%s %s loop %u for %lld ms%s%s%s: its other runs waited; see sw_blocking",
             route, goes_on ? "has held" : "held", loop, (long long)ms, w->step[0] ? " in step \"" : " outside steps",
             w->step, w->step[0] ? "\"" : "");
    if (w->left_out) log_line(LOG_WARN, NULL, "loop %u was held %u more times in between", loop, w->left_out);
    w->left_out = 0;
    w->said_ms = steady_ms();
}

static void ended(watched *w, unsigned loop, int64_t now_ms)
{
    if (w->said_ms && now_ms - w->said_ms < BETWEEN_LINES_MS && w->still_ms == STILL_MS)
        w->left_out++;
    else
        say(w, loop, now_ms - w->since_ms, false);
    w->is_late = false;
}

static void look(watched *w, const sw_loop *l, int64_t now_ms, int64_t warn_ms)
{
    const char *label = NULL, *step = NULL;
    uint64_t switches = sched_running(&l->home.sched, &label, &step);
    if (switches != w->switches || switches == 0) {
        if (w->is_late) ended(w, l->home.index, now_ms);
        w->switches = switches;
        w->since_ms = now_ms;
        w->still_ms = STILL_MS;
        return;
    }
    if (now_ms - w->since_ms < warn_ms) return;
    if (!w->is_late) {
        copy_text(w->label, label);
        copy_text(w->step, step);
        w->is_late = sched_running(&l->home.sched, &label, &step) == switches;
    }
    if (!w->is_late || now_ms - w->since_ms < w->still_ms) return;
    say(w, l->home.index, now_ms - w->since_ms, true);
    w->still_ms *= 2;
}

static void *watch(void *arg)
{
    blocked_watch *b = arg;
    int64_t warn_ms = b->app->opt.block_warn_ms, every_ms = warn_ms > 1 ? warn_ms / 2 : 1;
    (void)pthread_mutex_lock(&b->lock);
    while (!b->stopping) {
        int64_t now_ms = steady_ms(), next_ms = now_ms + every_ms;
        for (unsigned i = 0; i < b->app->loop_count; i++) look(&b->loops[i], &b->app->loops[i], now_ms, warn_ms);
        struct timespec until = {.tv_sec = next_ms / 1000, .tv_nsec = next_ms % 1000 * 1000000};
        (void)pthread_cond_timedwait(&b->ends, &b->lock, &until);
    }
    (void)pthread_mutex_unlock(&b->lock);
    return NULL;
}

static bool condition_init(pthread_cond_t *c)
{
    pthread_condattr_t a;
    if (pthread_condattr_init(&a) != 0) return false;
    bool ok = pthread_condattr_setclock(&a, CLOCK_MONOTONIC) == 0 && pthread_cond_init(c, &a) == 0;
    (void)pthread_condattr_destroy(&a);
    return ok;
}

blocked_watch *blocked_watch_start(sw_app *app)
{
    if (app->opt.block_warn_ms == 0) return NULL;
    blocked_watch *b = calloc(1, sizeof *b + app->loop_count * sizeof b->loops[0]);
    if (b && pthread_mutex_init(&b->lock, NULL) == 0) {
        b->app = app;
        if (condition_init(&b->ends)) {
            if (pthread_create(&b->thread, NULL, watch, b) == 0) return b;
            (void)pthread_cond_destroy(&b->ends);
        }
        (void)pthread_mutex_destroy(&b->lock);
    }
    free(b);
    log_line(LOG_WARN, NULL, "no thread to watch the loops: --block-warn has no effect");
    return NULL;
}

void blocked_watch_stop(blocked_watch *b)
{
    if (!b) return;
    (void)pthread_mutex_lock(&b->lock);
    b->stopping = true;
    (void)pthread_mutex_unlock(&b->lock);
    (void)pthread_cond_signal(&b->ends);
    (void)pthread_join(b->thread, NULL);
    (void)pthread_cond_destroy(&b->ends);
    (void)pthread_mutex_destroy(&b->lock);
    free(b);
}
