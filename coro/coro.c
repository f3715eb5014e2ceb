#include "coro/coro.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "coro/context.h"
#include "coro/coro_impl.h"
#include "coro/sanitize.h"
#include "coro/seeded_bug.h"
#include "coro/stack_impl.h"

/* Lies in the highest bytes of the coroutine's stack, so that making one touches one page:
 *
 *   low                                                          high
 *    | guard |  ...free...  <- frames grow down | struct coro | link |            */
struct coro {
    context ctx;     /* where it goes on when resumed */
    context resumer; /* where coro_suspend goes back to */
    coro_fn fn;
    void *arg;
    stack_pool *pool;
    void *low, *high;  /* its whole stack */
    const char *label; /* borrowed; for reports, as `activity` is. Atomic: another thread may look */
    const char *activity;
    const void *code; /* atomic, as `activity` is */
    void *user;
    struct coro_links links;
    bool finished;
#if defined(CORO_ASAN)
    void *fake_stack, *resumer_fake_stack;
    const void *resumer_low;
    size_t resumer_bytes;
#endif
#if defined(CORO_TSAN)
    void *fiber, *resumer_fiber;
#endif
#if defined(CORO_VALGRIND)
    unsigned valgrind_id;
#endif
};

_Static_assert(_Alignof(struct coro) <= 16, "coro_create puts it at a multiple of 16");

/* initial-exec: this code is part of the program or of a library that it was linked with, never of one loaded later. So
 * one instruction finds the variable. */
static __thread coro *current __attribute__((tls_model("initial-exec")));

/* Not inlined: a thread-local's address must not be remembered across a switch. */
__attribute__((noinline)) coro *coro_current(void) { return current; }

bool coro_finished(const coro *co) { return co->finished; }
void *coro_arg(const coro *co) { return co->arg; }
void coro_set_label(coro *co, const char *label) { __atomic_store_n(&co->label, label, __ATOMIC_RELAXED); }
void coro_set_activity(coro *co, const char *activity) { __atomic_store_n(&co->activity, activity, __ATOMIC_RELAXED); }
void coro_set_code(coro *co, const void *code) { __atomic_store_n(&co->code, code, __ATOMIC_RELAXED); }
const void *coro_code(const coro *co) { return __atomic_load_n(&co->code, __ATOMIC_RELAXED); }
void coro_set_user(coro *co, void *user) { co->user = user; }
void *coro_user(const coro *co) { return co->user; }
const char *coro_label(const coro *co) { return co->label; }

/* The stack may be another coroutine's by now, whose label coro_create sets without atomics: sched_running finds that
 * out after the read. */
__attribute__((no_sanitize("thread"))) coro_about coro_peek(const coro *co)
{
    return (coro_about){.label = __atomic_load_n(&co->label, __ATOMIC_ACQUIRE),
                        .activity = __atomic_load_n(&co->activity, __ATOMIC_ACQUIRE),
                        .code = __atomic_load_n(&co->code, __ATOMIC_ACQUIRE)};
}

struct coro_links *coro_links_of(coro *co) { return &co->links; }
bool coro_overflowed(const coro *co, const void *address) { return stack_guards(co->pool, co->high, address); }
size_t coro_stack_bytes(const coro *co) { return stack_pool_stack_size(co->pool); }

static void coro_entered(coro *co)
{
#if defined(CORO_ASAN)
    __sanitizer_finish_switch_fiber(co->fake_stack, &co->resumer_low, &co->resumer_bytes);
#else
    (void)co;
#endif
}

static void coro_leave(coro *co, bool for_ever)
{
    (void)for_ever;
#if defined(CORO_ASAN)
    __sanitizer_start_switch_fiber(for_ever ? NULL : &co->fake_stack, co->resumer_low, co->resumer_bytes);
#endif
#if defined(CORO_TSAN)
    __tsan_switch_to_fiber(co->resumer_fiber, 0);
#endif
    current = NULL;
    context_switch(&co->ctx, &co->resumer);
}

static void coro_main(void *arg)
{
    coro *co = arg;
    coro_entered(co);
    assert(!co->finished);
    co->fn(co->arg);
    assert(coro_current() == co);
    co->finished = true;
    coro_leave(co, true);
    abort();
}

coro *coro_create(stack_pool *pool, coro_fn fn, void *arg)
{
    void *low;
    assert(fn);
    void *high = stack_acquire(pool, &low);
    if (!high) return NULL;
    uintptr_t at = ((uintptr_t)high - STACK_LINK_BYTES - sizeof(coro)) & ~(uintptr_t)15;
    coro *co = (coro *)at;
    assert((char *)low < (char *)co);
    memset(co, 0, sizeof *co);
    co->fn = fn;
    co->arg = arg;
    co->pool = pool;
    co->low = low;
    co->high = high;
#if defined(CORO_TSAN)
    co->fiber = __tsan_create_fiber(0);
#endif
#if defined(CORO_VALGRIND)
    co->valgrind_id = VALGRIND_STACK_REGISTER(low, high);
#endif
    context_make(&co->ctx, low, co, coro_main, co);
    return co;
}

void coro_destroy(coro *co)
{
    assert(co != coro_current());
    assert(!co->links.queued);
#if defined(CORO_TSAN)
    __tsan_destroy_fiber(co->fiber);
#endif
#if defined(CORO_VALGRIND)
    VALGRIND_STACK_DEREGISTER(co->valgrind_id);
#endif
    if (stack_overrun(co->pool, co->high)) {
        overflow_report(co); /* without a guard the coroutine has overwritten what lies below its stack */
        abort();
    }
    static unsigned destroyed;
    if (BUG(LEAK_STACK) && ++destroyed % 64 == 0) return;
    stack_release(co->pool, co->high);
}

/* Without sanitizers nothing is left to do after the switch, here and in coro_suspend, and nothing may be added: the
 * compiler makes the switch a jump, which lands behind the call in the caller's caller. A return in between would be
 * predicted to go back to where the switch came from. */
void coro_resume(coro *co)
{
    assert(!current);
    assert(!co->finished);
    current = co;
#if defined(CORO_ASAN)
    __sanitizer_start_switch_fiber(&co->resumer_fake_stack, co->low, (size_t)((char *)co->high - (char *)co->low));
#endif
#if defined(CORO_TSAN)
    co->resumer_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(co->fiber, 0);
#endif
    context_switch(&co->resumer, &co->ctx);
#if defined(CORO_ASAN)
    __sanitizer_finish_switch_fiber(co->resumer_fake_stack, NULL, NULL);
#endif
}

void coro_suspend(void)
{
    coro *co = current;
    assert(co);
    assert(!co->finished);
    coro_leave(co, false);
    coro_entered(co);
}
