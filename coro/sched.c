#include "coro/sched.h"

#include <assert.h>

#include "coro/coro_impl.h"

void sched_init(sched *s) { *s = (sched){0}; }

void sched_ready(sched *s, coro *co)
{
    struct coro_links *l = coro_links_of(co);
    if (l->queued) return;
    assert(!coro_finished(co));
    assert(!s->head == !s->tail);
    assert(!l->prev && !l->next);
    *l = (struct coro_links){.prev = s->tail, .queued = true};
    if (s->tail)
        coro_links_of(s->tail)->next = co;
    else
        s->head = co;
    s->tail = co;
    s->ready++;
}

void sched_remove(sched *s, coro *co)
{
    struct coro_links *l = coro_links_of(co);
    if (!l->queued) return;
    assert(s->ready > 0);
    assert(l->prev || s->head == co);
    assert(l->next || s->tail == co);
    if (l->prev)
        coro_links_of(l->prev)->next = l->next;
    else
        s->head = l->next;
    if (l->next)
        coro_links_of(l->next)->prev = l->prev;
    else
        s->tail = l->prev;
    *l = (struct coro_links){0};
    s->ready--;
}

size_t sched_run(sched *s, size_t resumes_max)
{
    size_t n = 0;
    assert(!coro_current());
    assert(s->switches % 2 == 0);
    while (s->head && (resumes_max == 0 || n < resumes_max)) {
        coro *co = s->head;
        sched_remove(s, co);
        __atomic_store_n(&s->running, co, __ATOMIC_RELAXED);
        __atomic_store_n(&s->switches, s->switches + 1, __ATOMIC_RELEASE);
        coro_resume(co);
        __atomic_store_n(&s->switches, s->switches + 1, __ATOMIC_RELEASE);
        if (coro_finished(co)) coro_destroy(co);
        n++;
    }
    assert(s->head || s->ready == 0);
    return n;
}

uint64_t sched_running(const sched *s, coro_about *about)
{
    uint64_t switches = __atomic_load_n(&s->switches, __ATOMIC_ACQUIRE);
    const coro *co = __atomic_load_n(&s->running, __ATOMIC_RELAXED);
    if (switches % 2 == 0) return 0;
    *about = coro_peek(co);
    return __atomic_load_n(&s->switches, __ATOMIC_RELAXED) == switches ? switches : 0;
}
