#include "runtime/run/ctx.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "coro/seeded_bug.h"
#include "runtime/base/log.h"
#include "runtime/run/blocking_guard.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run/path.h"
#include "runtime/run/run.h"

enum { FAILURE_TEXT_MAX = 4096 };

const failure failure_unwind = {.kind = FAILURE_UNWIND, .retry_after_ms = -1};

/* Runs the clean-ups, last one first; each is taken off before it runs, so that one which fails is not run again. */
static void ctx_run_defers(sw_ctx *c)
{
    while (c->defers) {
        defer *d = c->defers;
        c->defers = d->next;
        d->fn(d->arg);
    }
}

/* Waits for the groups made in `c`; what that raises is caught here. True: all have ended. */
static bool ctx_settle_groups(sw_ctx *c)
{
    assert(c->groups_settle);
    if (_setjmp(c->boundary) == 0) c->groups_settle(c);
    return c->groups == NULL;
}

/* The program's function that is called in `c`, for reports: outside branches and steps it is not `fn`, which is ours.
 */
static const void *ctx_code(const sw_ctx *c, sw_step_fn fn)
{
    const endpoint *e = c->task->endpoint;
    if (c->kind != CTX_HANDLER) return (const void *)(uintptr_t)fn;
    return e->function ? (const void *)(uintptr_t)e->function : (const void *)(uintptr_t)e->handler;
}

bool ctx_call(sw_ctx *c, sw_step_fn fn, sw_value input, sw_value *out)
{
    static const failure none = {.kind = FAILURE_NONE, .retry_after_ms = -1};
    strand *s = c->strand;
    sw_ctx *outer = s->top;
    const void *outer_code = coro_code(s->co);
    assert(c != outer);
    assert(!c->groups);
    assert(!c->cleaning);
    c->number = s->task->home->last_ctx += s->task->home->count;
    s->top = c;
    coro_set_code(s->co, ctx_code(c, fn));
    s->failure = none;
    if (_setjmp(c->boundary) == 0) {
        *out = fn(c, input);
        s->failure = none; /* sw_try may have left a failure that the code has dealt with */
    }
    if (c->unwinds)
        s->failure = failure_unwind; /* whatever its code did after sw_guard told it: it returned, or it failed */
    failure first = s->failure;
    if (c->groups) {
        ctx_settle_groups(c);
        /* When the run leaves memory meanwhile its next execution comes to the same failure again, and waits for the
         * rest of the group then. */
        if (first.kind == FAILURE_NONE || s->failure.kind == FAILURE_UNWIND) first = s->failure;
    }
    s->failure = none;
    c->cleaning = true;
    /* A clean-up that fails lands here, and the rest still run. */
    (void)_setjmp(c->boundary);
    ctx_run_defers(c);
    assert(s->top == c); /* contexts nest: those inside have ended */
    assert(!c->defers);
    if (first.kind == FAILURE_NONE && s->failure.kind != FAILURE_NONE) {
        first = s->failure;
        first.kind = FAILURE_FATAL; /* the work before the clean-up was done, and must not be done again */
    }
    s->failure = first;
    s->top = outer;
    coro_set_code(s->co, outer_code);
    return first.kind == FAILURE_NONE;
}

static sw_value ctx_handler_fn(sw_ctx *c, sw_value input)
{
    c->task->endpoint->handler(c);
    return input;
}

bool ctx_call_handler(sw_ctx *c, strand *s)
{
    task *t = s->task;
    assert(!s->top); /* the handler's context is the outermost one */
    *c = (sw_ctx){.kind = CTX_HANDLER,
                  .strand = s,
                  .task = t,
                  .run = t->run,
                  .arena = &t->arena,
                  .path = PATH_ROOT,
                  .arg = t->endpoint->options.arg,
                  .label = "",
                  .id = ""};
    sw_value none = {.type = MSGPACK_OBJECT_NIL};
    return ctx_call(c, ctx_handler_fn, none, &none);
}

void ctx_raise(sw_ctx *c, failure f)
{
    strand *s = c->strand;
    assert(c == ctx_current()); /* else unwinding would jump to another coroutine's stack */
    assert(f.kind != FAILURE_NONE);
    s->failure = f;
    _longjmp(s->top->boundary, 1);
}

void ctx_raise_interrupt(sw_ctx *c)
{
    strand *s = c->strand;
    if (s->interrupt == INTERRUPT_UNWIND) ctx_raise(c, failure_unwind);
    assert(s->interrupt == INTERRUPT_TIMEOUT);
    ctx_raise(c, (failure){.kind = FAILURE_RETRY, .message = "timed out", .retry_after_ms = -1});
}

/* Makes a failure whose message lies in the task's arena, beyond its limit too: that the memory is over the limit is
 * what many messages say. */
static SW_PRINTF(4, 0) failure
    failure_make(sw_ctx *c, failure_kind kind, int64_t retry_after_ms, const char *format, va_list args)
{
    arena *a = &c->task->arena;
    size_t limit = a->bytes_max;
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    assert(kind == FAILURE_RETRY || kind == FAILURE_FATAL);
    size_t size = len < 0 ? 1 : len >= FAILURE_TEXT_MAX ? FAILURE_TEXT_MAX : (size_t)len + 1;
    arena_set_limit(a, SIZE_MAX);
    char *text = arena_alloc(a, size);
    arena_set_limit(a, limit);
    if (text) (void)vsnprintf(text, size, format, args);
    return (failure){.kind = kind, .message = text ? text : "out of memory", .retry_after_ms = retry_after_ms};
}

void sw_fail(sw_ctx *c, const char *format, ...)
{
    ctx_check(c, "sw_fail");
    ctx_check_format(c, "sw_fail", format);
    va_list args;
    va_start(args, format);
    failure f = failure_make(c, FAILURE_RETRY, -1, format, args);
    va_end(args);
    ctx_raise(c, f);
}

void sw_fail_after(sw_ctx *c, int64_t ms, const char *format, ...)
{
    ctx_check(c, "sw_fail_after");
    ctx_check_format(c, "sw_fail_after", format);
    va_list args;
    va_start(args, format);
    failure f = failure_make(c, FAILURE_RETRY, ms < 0 ? 0 : ms, format, args);
    va_end(args);
    ctx_raise(c, f);
}

void sw_fail_fatal(sw_ctx *c, const char *format, ...)
{
    ctx_check(c, "sw_fail_fatal");
    ctx_check_format(c, "sw_fail_fatal", format);
    va_list args;
    va_start(args, format);
    failure f = failure_make(c, FAILURE_FATAL, -1, format, args);
    va_end(args);
    ctx_raise(c, f);
}

void ctx_fail_misuse(sw_ctx *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    failure f = failure_make(c, FAILURE_FATAL, -1, format, args);
    va_end(args);
    ctx_raise(c, f);
}

void ctx_fail_memory(sw_ctx *c)
{
    static const failure short_attempt = {.kind = FAILURE_RETRY, .message = "out of memory", .retry_after_ms = -1};
    static const failure short_plain = {
        .kind = FAILURE_FATAL, .message = "out of memory", .retry_after_ms = -1, .status = 503};
    if (c->arena->over || c->task->arena.over || BUG(SHORT_FAILS))
        ctx_fail_misuse(c, "the memory of the run or step is over its limit (--run-state-max)");
    if (!c->run) ctx_raise(c, short_plain);
    if (c->kind == CTX_STEP) ctx_raise(c, short_attempt);
    run_lose_for_memory(c->run);
    ctx_raise(c, failure_unwind);
}

/* ---- Where a context may be used ---- */

sw_ctx *ctx_current(void)
{
    const coro *co = coro_current();
    const strand *s = co ? coro_user(co) : NULL;
    return s ? s->top : NULL;
}

void ctx_refuse(const char *function, const char *mistake)
{
    sw_ctx *running = ctx_current();
    if (running) ctx_fail_misuse(running, "%s was called %s", function, mistake);
    blocking_refuse(function);
    log_line(LOG_ERROR, NULL, "%s was called on a thread that runs no handler: the thread is ended", function);
    /* The main thread has called it, before sw_main serves: nothing is left that could go on. */
    if (gettid() == getpid()) abort();
    pthread_exit(NULL);
}

void ctx_check(sw_ctx *c, const char *function)
{
    if (!c || ctx_current() != c)
        ctx_refuse(function, "with a context that is not the innermost one: use the one that the function you are in "
                             "was given");
}

void ctx_check_format(sw_ctx *c, const char *function, const char *format)
{
    if (!format) ctx_fail_misuse(c, "%s without a format: give it a text, as printf takes it", function);
}

void ctx_check_wait(sw_ctx *c, const char *function)
{
    ctx_check(c, function);
    bool is_given_up = c->strand->is_abandoned && c->strand->interrupt == INTERRUPT_UNWIND;
    if ((c->unwinds || is_given_up) && !c->cleaning) ctx_raise(c, failure_unwind);
    if (c->cleaning) ctx_fail_misuse(c, "%s in a clean-up (sw_defer), which must not wait: call it before", function);
}

void ctx_check_begin(sw_ctx *c)
{
    if (!c->strand->is_abandoned) return;
    c->strand->interrupt = INTERRUPT_UNWIND;
    ctx_raise(c, failure_unwind);
}

struct arena *ctx_arena(sw_ctx *c, const char *function)
{
    ctx_check(c, function);
    return c->arena;
}

static bool strand_stack_has(const strand *s, const void *at)
{
    uintptr_t bottom = (uintptr_t)s, place = (uintptr_t)at; /* the strand lies at the bottom of its stack */
    return place < bottom && bottom - place < stack_pool_stack_size(s->task->home->stacks);
}

/* Whether the variable lies in a frame of the code that called the step `c`, not in the step's own. */
static bool ctx_is_callers_variable(const sw_ctx *c, const void *variable)
{
    const strand *own = c->strand;
    if (c->kind != CTX_STEP) return false; /* the handler and its branches share one arena */
    if (strand_stack_has(own, variable)) return strand_stack_has(own, c) && (uintptr_t)variable > (uintptr_t)c;
    for (const strand *s = c->task->strands; s; s = s->next)
        if (strand_stack_has(s, variable)) return true;
    return false;
}

struct arena *ctx_arena_for(sw_ctx *c, const char *function, const sw_value *variable)
{
    struct arena *a = ctx_arena(c, function);
    if (variable && ctx_is_callers_variable(c, variable))
        ctx_fail_misuse(c,
                        "%s in step \"%s\" to a value of who called it, where it would be lost with the step: change a "
                        "copy (sw_value v = *it;) and return that",
                        function, c->id);
    return a;
}

void sw_defer(sw_ctx *c, void (*fn)(void *arg), void *arg)
{
    ctx_check(c, "sw_defer");
    if (!fn) ctx_fail_misuse(c, "sw_defer without a function");
    defer *d = arena_alloc(c->arena, sizeof *d);
    if (!d) {
        fn(arg);
        ctx_fail_memory(c);
    }
    *d = (defer){.next = c->defers, .fn = fn, .arg = arg};
    c->defers = d;
}
