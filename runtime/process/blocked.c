#include "runtime/process/blocked.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/base/log.h"
#include "runtime/loop/loop.h"
#include "runtime/recovery/occupant.h"

enum { STILL_MS = 1000, BETWEEN_LINES_MS = 1000 };

/* What is known of one loop. */
typedef struct watched {
    uint64_t switches; /* of its sched when it was looked at last */
    int64_t since_ms;  /* it has not switched since then at the latest */
    int64_t said_ms;   /* when a line was written about it; 0: never */
    int64_t still_ms;  /* after which a run that goes on is told of again */
    bool is_late;      /* over --block-warn; `who` says who */
    unsigned left_out; /* ended meanwhile without a line of their own */
    occupant who;
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

static void say(watched *w, unsigned loop, int64_t ms, bool goes_on)
{
    const occupant *who = &w->who;
    log_line(LOG_WARN, *who->run ? who->run : NULL,
             "%s %s loop %u for %lld ms%s%s%s: its other runs waited; see sw_blocking",
             *who->label ? who->label : "a handler", goes_on ? "has held" : "held", loop, (long long)ms,
             *who->step ? " in step \"" : " outside steps", who->step, *who->step ? "\"" : "");
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
    if (!w->is_late) w->is_late = occupant_read(&l->home.sched, &w->who) && w->who.switches == switches;
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
