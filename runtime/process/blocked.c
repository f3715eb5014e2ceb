#include "runtime/process/blocked.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/base/log.h"
#include "runtime/loop/loop.h"
#include "runtime/recovery/occupant.h"
#include "runtime/supervise/awake_clock.h"

enum {
    FIRST_LINE_MS = 1000, /* a run that goes on blocking for this long gets a line before it has ended */
    LINES_APART_MS = 1000 /* about shorter ones there is one line in this time, and a count of the others */
};

/* What is known of one loop. Times are the awake clock's. */
typedef struct watched {
    uint64_t switches;    /* of its sched when it was looked at last */
    int64_t since_ms;     /* the loop has not switched since then at the latest */
    int64_t logged_ms;    /* when a line was written about the loop; 0: never */
    int64_t next_line_ms; /* a run that blocks for this long gets its next line */
    bool is_late;         /* a run blocks for longer than --block-warn: `who` */
    unsigned unlogged;    /* runs that have blocked since the last line, and have none */
    occupant who;
} watched;

struct blocked_watch {
    sw_app *app;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ends;
    bool is_stopping; /* under lock */
    watched loops[];
};

static void watched_log(watched *w, unsigned loop, int64_t ms, bool goes_on)
{
    const occupant *who = &w->who;
    assert(w->is_late);
    assert(ms >= 0);
    log_line(LOG_WARN, *who->run ? who->run : NULL,
             "%s %s loop %u for %lld ms%s%s%s: its other runs waited; see sw_blocking",
             *who->label ? who->label : "a handler", goes_on ? "has held" : "held", loop, (long long)ms,
             *who->step ? " in step \"" : " outside steps", who->step, *who->step ? "\"" : "");
    if (w->unlogged) log_line(LOG_WARN, NULL, "loop %u was held %u more times in between", loop, w->unlogged);
    w->unlogged = 0;
    w->logged_ms = awake_clock_ms();
}

/* The run that blocked the loop does no more: logs it, or counts it where a line about the loop is just out. */
static void watched_end(watched *w, unsigned loop, int64_t now_ms)
{
    assert(w->is_late);
    assert(now_ms >= w->since_ms);
    if (w->logged_ms && now_ms - w->logged_ms < LINES_APART_MS && w->next_line_ms == FIRST_LINE_MS)
        w->unlogged++;
    else
        watched_log(w, loop, now_ms - w->since_ms, false);
    w->is_late = false;
}

static void watched_look(watched *w, const sw_loop *l, int64_t now_ms, int64_t warn_ms)
{
    const char *label = NULL, *step = NULL;
    uint64_t switches = sched_running(&l->home.sched, &label, &step);
    if (switches != w->switches || switches == 0) {
        if (w->is_late) watched_end(w, l->home.index, now_ms);
        w->switches = switches;
        w->since_ms = now_ms;
        w->next_line_ms = FIRST_LINE_MS;
        return;
    }
    if (now_ms - w->since_ms < warn_ms) return;
    if (!w->is_late) w->is_late = occupant_read(&l->home.sched, &w->who) && w->who.switches == switches;
    if (!w->is_late || now_ms - w->since_ms < w->next_line_ms) return;
    watched_log(w, l->home.index, now_ms - w->since_ms, true);
    w->next_line_ms *= 2;
}

static void *blocked_watch_run(void *arg)
{
    blocked_watch *b = arg;
    assert(b->app->opt.block_warn_ms > 0);
    int64_t warn_ms = b->app->opt.block_warn_ms, every_ms = warn_ms > 1 ? warn_ms / 2 : 1;
    (void)pthread_mutex_lock(&b->lock);
    while (!b->is_stopping) {
        int64_t now_ms = awake_clock_ms(), next_ms = now_ms + every_ms;
        for (unsigned i = 0; i < b->app->loop_count; i++)
            watched_look(&b->loops[i], &b->app->loops[i], now_ms, warn_ms);
        struct timespec until = {.tv_sec = next_ms / 1000, .tv_nsec = next_ms % 1000 * 1000000};
        (void)pthread_cond_timedwait(&b->ends, &b->lock, &until);
    }
    (void)pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* A condition whose waits end by the awake clock. */
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
    assert(app->loops);
    assert(app->loop_count >= 1);
    if (app->opt.block_warn_ms == 0) return NULL;
    blocked_watch *b = calloc(1, sizeof *b + app->loop_count * sizeof b->loops[0]);
    if (b && pthread_mutex_init(&b->lock, NULL) == 0) {
        b->app = app;
        if (condition_init(&b->ends)) {
            if (pthread_create(&b->thread, NULL, blocked_watch_run, b) == 0) return b;
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
    assert(!b->is_stopping);
    b->is_stopping = true;
    (void)pthread_mutex_unlock(&b->lock);
    (void)pthread_cond_signal(&b->ends);
    (void)pthread_join(b->thread, NULL);
    (void)pthread_cond_destroy(&b->ends);
    (void)pthread_mutex_destroy(&b->lock);
    free(b);
}
