/* coro_switch: what a switch of ours costs beside Boost.Context's fcontext, in pairs in one run, and what it costs to
 * make, run and end a coroutine out of the pool. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "coro/coro.h"
#include "coro/stack.h"

enum { SWITCHES = 2000000, LIVES = 1000000, ROUNDS = 7, STACK_BYTES = 65536 };

/* Boost.Context 1.74's own C interface, which its headers wrap in C++. */
typedef struct transfer {
    void *context, *data;
} transfer;
transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *stack_top, size_t size, void (*fn)(transfer));

static double now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void theirs(transfer t)
{
    for (;;) t = jump_fcontext(t.context, NULL);
}

static double their_switch(void)
{
    static char *stack;
    static void *context;
    if (!stack) {
        stack = malloc(STACK_BYTES);
        if (!stack) exit(1);
        context = make_fcontext(stack + STACK_BYTES, STACK_BYTES, theirs);
    }
    double began = now_ns();
    for (int i = 0; i < SWITCHES; i++) context = jump_fcontext(context, NULL).context;
    return (now_ns() - began) / SWITCHES / 2;
}

static void ours(void *arg)
{
    (void)arg;
    for (;;) coro_suspend();
}

static double our_switch(stack_pool *pool)
{
    static coro *co;
    if (!co) co = coro_create(pool, ours, NULL);
    if (!co) exit(1);
    double began = now_ns();
    for (int i = 0; i < SWITCHES; i++) coro_resume(co);
    return (now_ns() - began) / SWITCHES / 2;
}

static void nothing(void *arg) { (void)arg; }

static double our_life(stack_pool *pool)
{
    double began = now_ns();
    for (int i = 0; i < LIVES; i++) {
        coro *co = coro_create(pool, nothing, NULL);
        if (!co) exit(1);
        coro_resume(co);
        coro_destroy(co);
    }
    return (now_ns() - began) / LIVES;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *all)
{
    qsort(all, ROUNDS, sizeof *all, by_size);
    return all[ROUNDS / 2];
}

int main(void)
{
    double switches[ROUNDS], floors[ROUNDS], ratios[ROUNDS], lives[ROUNDS];
    stack_pool *pool = stack_pool_new(&(stack_pool_options){.stack_size_bytes = STACK_BYTES});
    if (!pool) return 1;
    for (int i = 0; i < ROUNDS; i++) {
        floors[i] = their_switch();
        switches[i] = our_switch(pool);
        ratios[i] = switches[i] / floors[i];
        lives[i] = our_life(pool);
    }
    printf("P1   coroutine switch                   ns=%.2f   floor (Boost fcontext) ns=%.2f   ratio %.2f of ns, "
           "median of %d pairs\n",
           median(switches), median(floors), median(ratios), ROUNDS);
    printf("P1   create, run and destroy            ns=%.1f   goal under 100\n", median(lives));
    return 0;
}
