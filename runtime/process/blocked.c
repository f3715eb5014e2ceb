#include "runtime/process/blocked.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/base/code_place.h"
#include "runtime/base/log.h"
#include "runtime/loop/loop.h"
#include "runtime/recovery/occupant.h"
#include "runtime/supervise/awake_clock.h"

enum {
    FIRST_LINE_MS = 1000,  /* a run that goes on blocking for this long gets a line before it has ended */
    LINES_APART_MS = 1000, /* about shorter ones there is one line in this time, and a count of the others */
    PLACES_MAX = 32        /* functions whose places are remembered, so that each is looked up once */
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

/* Where the source of one function is. */
typedef struct known_place {
    const void *code;
    code_name name;
} known_place;

struct blocked_watch {
    sw_app *app;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ends;
    bool is_stopping;               /* under lock */
    known_place places[PLACES_MAX]; /* the oldest one makes room for a new one */
    size_t places_found;            /* so far, those forgotten included */
    watched loops[];
};

/* Returns where the source of the function is; NULL: nobody knows. May take the time of a process, once for each. */
static const code_name *blocked_find_place(blocked_watch *b, const void *code)
{
    code_place found;
    size_t known = b->places_found < PLACES_MAX ? b->places_found : PLACES_MAX;
    for (size_t i = 0; i < known; i++)
        if (b->places[i].code == code) return &b->places[i].name;
    if (!code || !code_place_find(code, &found)) return NULL;
    known_place *p = &b->places[b->places_found++ % PLACES_MAX];
    p->code = code;
    code_place_name(found.file, found.address, CODE_OUTERMOST, &p->name);
    return &p->name;
}

/* Writes `in step "crunch" (compute at orders.c:41)`, as far as that is known. */
static void blocked_name_work(blocked_watch *b, const occupant *who, char *out, size_t out_size)
{
    const code_name *at = blocked_find_place(b, who->code);
    bool has_function = at && *at->function;
    (void)snprintf(out, out_size, "%s%s%s%s%s%s%s%s", *who->step ? "in step \"" : "outside steps", who->step,
                   *who->step ? "\"" : "", at ? " (" : "", has_function ? at->function : "", has_function ? " at " : "",
                   at ? at->line : "", at ? ")" : "");
}

static const char *blocked_advise(const occupant *who)
{
    bool is_durable = *who->run;
    if (is_durable && !*who->step) return "do that in a step, by sw_blocking";
    return "do that by sw_blocking";
}

static void blocked_log(blocked_watch *b, unsigned loop, int64_t ms, bool goes_on)
{
    watched *w = &b->loops[loop];
    const occupant *who = &w->who;
    char work[OCCUPANT_TEXT + 2 * CODE_NAME_TEXT + 32];
    assert(w->is_late);
    assert(ms >= 0);
    blocked_name_work(b, who, work, sizeof work);
    log_line(LOG_WARN, *who->run ? who->run : NULL,
             "%s %s loop %u for %lld ms %s: its other runs waited; %s, or serve with more --loops",
             *who->label ? who->label : "a handler", goes_on ? "has held" : "held", loop, (long long)ms, work,
             blocked_advise(who));
    if (w->unlogged) log_line(LOG_WARN, NULL, "loop %u was held %u more times in between", loop, w->unlogged);
    w->unlogged = 0;
    w->logged_ms = awake_clock_ms();
}

/* The run that blocked the loop does no more: logs it, or counts it where a line about the loop is just out. */
static void blocked_end(blocked_watch *b, unsigned loop, int64_t now_ms)
{
    watched *w = &b->loops[loop];
    assert(w->is_late);
    assert(now_ms >= w->since_ms);
    if (w->logged_ms && now_ms - w->logged_ms < LINES_APART_MS && w->next_line_ms == FIRST_LINE_MS)
        w->unlogged++;
    else
        blocked_log(b, loop, now_ms - w->since_ms, false);
    w->is_late = false;
}

static void blocked_look(blocked_watch *b, unsigned loop)
{
    watched *w = &b->loops[loop];
    const sched *s = &b->app->loops[loop].home.sched;
    coro_about about;
    uint64_t switches = sched_running(s, &about);
    int64_t now_ms = awake_clock_ms(); /* of this loop: a line about the loop before may have taken its time */
    if (switches != w->switches || switches == 0) {
        if (w->is_late) blocked_end(b, loop, now_ms);
        w->switches = switches;
        w->since_ms = now_ms;
        w->next_line_ms = FIRST_LINE_MS;
        return;
    }
    if (now_ms - w->since_ms < b->app->opt.block_warn_ms) return;
    if (!w->is_late) w->is_late = occupant_read(s, &w->who) && w->who.switches == switches;
    if (!w->is_late || now_ms - w->since_ms < w->next_line_ms) return;
    blocked_log(b, loop, now_ms - w->since_ms, true);
    w->next_line_ms *= 2;
}

static void *blocked_watch_run(void *arg)
{
    blocked_watch *b = arg;
    assert(b->app->opt.block_warn_ms > 0);
    (void)pthread_setname_np(pthread_self(), "sw-watch");
    int64_t warn_ms = b->app->opt.block_warn_ms, every_ms = warn_ms > 1 ? warn_ms / 2 : 1;
    (void)pthread_mutex_lock(&b->lock);
    while (!b->is_stopping) {
        int64_t now_ms = awake_clock_ms(), next_ms = now_ms + every_ms;
        /* A look may wait for addr2line: whoever ends the watch waits for one at most. */
        for (unsigned i = 0; i < b->app->loop_count && !b->is_stopping; i++) {
            (void)pthread_mutex_unlock(&b->lock);
            blocked_look(b, i);
            (void)pthread_mutex_lock(&b->lock);
        }
        if (b->is_stopping) break;
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
