#include "coro/context.h"

#include <assert.h>
#include <stdint.h>

/* makecontext passes ints only: a pointer goes as two halves. */
_Static_assert(sizeof(unsigned) == 4 && sizeof(uintptr_t) <= 8, "two halves hold a pointer");

static void trampoline(unsigned entry_high, unsigned entry_low, unsigned arg_high, unsigned arg_low)
{
    void (*entry)(void *) = (void (*)(void *))((uintptr_t)((uint64_t)entry_high << 32 | entry_low));
    entry((void *)(uintptr_t)((uint64_t)arg_high << 32 | arg_low));
}

void context_make(context *c, void *low, void *high, void (*entry)(void *arg), void *arg)
{
    assert(entry);
    assert((char *)low < (char *)high);
    int rc = getcontext(&c->uc);
    assert(rc == 0);
    (void)rc;
    c->uc.uc_stack.ss_sp = low;
    c->uc.uc_stack.ss_size = (size_t)((char *)high - (char *)low);
    c->uc.uc_link = NULL;
    uint64_t e = (uint64_t)(uintptr_t)entry, a = (uint64_t)(uintptr_t)arg;
    makecontext(&c->uc, (void (*)(void))trampoline, 4, (unsigned)(e >> 32), (unsigned)e, (unsigned)(a >> 32),
                (unsigned)a);
}

void context_switch(context *from, context *to)
{
    int rc = swapcontext(&from->uc, &to->uc);
    assert(rc == 0);
    (void)rc;
}
