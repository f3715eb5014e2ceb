#include "coro/sched.h"

#include <assert.h>

void sched_init(sched *s) { *s = (sched){0}; }

void sched_ready(sched *s, coro *co)
{
    struct coro_links *l = coro_links_of(co);
    if (l->queued) return;
    assert(!coro_finished(co));
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
    while (s->head && (resumes_max == 0 || n < resumes_max)) {
        coro *co = s->head;
        sched_remove(s, co);
        coro_resume(co);
        if (coro_finished(co)) coro_destroy(co);
        n++;
    }
    return n;
}
