#include "coro/stack_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "coro/sanitize.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13: a guard that needs no mapping of its own */
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

enum {
    STACK_DEFAULT = 65536,
    STACKS_DEFAULT = 1000000,
    WARM_DEFAULT = 1024,
    MAPPING_STACKS_FIRST = 16,
    MAPPING_STACKS_MOST = 1024,
    TRIM_SHARE = 64
};

/* A frame that is larger than the guard can lie beyond it. Code compiled with -fstack-clash-protection touches each
 * page of a frame in turn and needs one page of guard; for other code the guard is as large as the arrays that people
 * put on a stack. Nothing of a guard is ever resident. */
enum { GUARD_BYTES = 131072, OVERRUN_BYTES = 512 };
_Static_assert(OVERRUN_BYTES < GUARD_BYTES, "stack_overrun reads no other stack");
_Static_assert(MAPPING_STACKS_FIRST > 0 && MAPPING_STACKS_FIRST <= MAPPING_STACKS_MOST, "mappings grow up to a limit");

enum { MAPS_DEFAULT = 65530 }; /* vm.max_map_count, if it cannot be read */

/* Lies in a stack's own highest bytes, which a coroutine touches anyway. */
typedef struct stack_link {
    struct stack_link *next; /* while the stack is free */
    bool unguarded;          /* its guard is ordinary memory: see stack_add_guard */
} stack_link;
_Static_assert(sizeof(stack_link) == STACK_LINK_BYTES, "coro.c leaves this much to the pool");
_Static_assert(STACK_LINK_BYTES % 16 == 0, "what lies below a link is as aligned as the stack's end");

/* Guards made by mprotect, in all pools: each costs the process two of its vm.max_map_count mappings, and malloc, curl
 * and RocksDB need some too. */
static atomic_size_t heavy_guards;

typedef struct mapping {
    struct mapping *next;
    char *base;
    size_t len;
} mapping;

struct stack_pool {
    stack_link *warm; /* stacks whose touched pages are still there; last released first */
    stack_link *cold; /* released stacks without touched pages, but for the one with the link */
    mapping *mappings;
    char *fresh, *fresh_end; /* stacks of the newest mapping that were never handed out */
    size_t stride_bytes;     /* guard and stack */
    size_t stack_bytes;
    size_t page, guard_bytes;
    size_t in_use, warm_count, total;
    size_t stacks_max, warm_max;
    size_t next_stacks;                     /* in the next mapping */
    size_t heavy_guards, heavy_guards_most; /* this pool's; and of the process */
    bool light_guards;                      /* MADV_GUARD_INSTALL works here */
};

static size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

static bool probe_light_guards(size_t page)
{
    void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return false;
    /* Some emulators take any advice and do nothing. A guard is there if its page cannot be populated. */
    bool works = madvise(p, page, MADV_GUARD_INSTALL) == 0 && madvise(p, page, MADV_POPULATE_READ) != 0;
    (void)munmap(p, page);
    return works;
}

static size_t heavy_guards_most(void)
{
    size_t maps = 0;
    FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
    if (!f || fscanf(f, "%zu", &maps) != 1) maps = MAPS_DEFAULT;
    if (f) (void)fclose(f);
    return maps / 4;
}

stack_pool *stack_pool_new(const stack_pool_options *options)
{
    static const stack_pool_options defaults = {0};
    const stack_pool_options *o = options ? options : &defaults;
    stack_pool *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = o->stack_size_bytes ? o->stack_size_bytes : STACK_DEFAULT;
#if defined(CORO_ASAN) || defined(CORO_TSAN)
    bytes *= 4;
#endif
    p->stack_bytes = round_up(bytes, p->page);
    p->guard_bytes = round_up(GUARD_BYTES, p->page);
    p->stride_bytes = p->guard_bytes + p->stack_bytes;
    p->stacks_max = o->stacks_max ? o->stacks_max : STACKS_DEFAULT;
    p->warm_max = o->warm_max ? o->warm_max : WARM_DEFAULT;
    p->next_stacks = MAPPING_STACKS_FIRST;
    p->light_guards = !o->heavy_guards && probe_light_guards(p->page);
    p->heavy_guards_most = heavy_guards_most();
    return p;
}

void stack_pool_free(stack_pool *p)
{
    if (!p) return;
    assert(p->in_use == 0);
    assert(p->warm_count <= p->total);
    for (mapping *m = p->mappings, *next; m; m = next) {
        next = m->next;
        (void)munmap(m->base, m->len);
        free(m);
    }
    (void)atomic_fetch_sub(&heavy_guards, p->heavy_guards);
    free(p);
}

size_t stack_pool_in_use(const stack_pool *p) { return p->in_use; }
size_t stack_pool_stack_size(const stack_pool *p) { return p->stack_bytes; }

/* Maps more stacks, twice as many as the last time. False with errno. */
static bool pool_map_more(stack_pool *p)
{
    assert(p->fresh == p->fresh_end);
    assert(p->total <= p->stacks_max);
    size_t count = p->next_stacks;
    if (count > p->stacks_max - p->total) count = p->stacks_max - p->total;
    if (count == 0) {
        errno = ENOMEM;
        return false;
    }
    mapping *m = malloc(sizeof *m);
    if (!m) return false;
    m->len = count * p->stride_bytes;
    m->base =
        mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (m->base == MAP_FAILED) {
        free(m);
        errno = ENOMEM;
        return false;
    }
    m->next = p->mappings;
    p->mappings = m;
    p->fresh = m->base;
    p->fresh_end = m->base + m->len;
    p->total += count;
    if (p->next_stacks < MAPPING_STACKS_MOST) p->next_stacks *= 2;
    return true;
}

/* Makes the bytes at `at` a guard. False: they stay ordinary memory. Without light guards a process with very many
 * stacks has some without any: when such a stack is released, stack_overrun finds frames that have gone below it. Until
 * then they lie where the guard would be, in nobody else's memory. */
static bool stack_add_guard(stack_pool *p, char *at)
{
    if (p->light_guards) return madvise(at, p->guard_bytes, MADV_GUARD_INSTALL) == 0;
    if (atomic_fetch_add(&heavy_guards, 1) < p->heavy_guards_most && mprotect(at, p->guard_bytes, PROT_NONE) == 0) {
        p->heavy_guards++;
        return true;
    }
    (void)atomic_fetch_sub(&heavy_guards, 1);
    return false;
}

static void *pool_take_fresh(stack_pool *p)
{
    if (p->fresh == p->fresh_end && !pool_map_more(p)) return NULL;
    bool guarded = stack_add_guard(p, p->fresh);
    p->fresh += p->stride_bytes;
    if (!guarded) ((stack_link *)(void *)p->fresh - 1)->unguarded = true;
    return p->fresh;
}

void *stack_acquire(stack_pool *p, void **low)
{
    char *high;
    if (p->warm) {
        stack_link *f = p->warm;
        assert(p->warm_count > 0);
        p->warm = f->next;
        p->warm_count--;
        high = (char *)(f + 1);
    } else if (p->cold) {
        stack_link *f = p->cold;
        p->cold = f->next;
        high = (char *)(f + 1);
    } else if (!(high = pool_take_fresh(p))) {
        return NULL;
    }
    assert(p->in_use < p->total);
    assert((uintptr_t)high % 16 == 0);
    p->in_use++;
    *low = high - p->stack_bytes;
    return high;
}

void stack_release(stack_pool *p, void *high)
{
    assert(p->in_use > 0);
    assert(p->in_use + p->warm_count <= p->total);
#if defined(CORO_ASAN)
    __asan_unpoison_memory_region((char *)high - p->stack_bytes, p->stack_bytes);
#endif
    stack_link *f = (stack_link *)high - 1;
    p->in_use--;
    f->next = p->warm;
    p->warm = f;
    p->warm_count++;
}

void stack_pool_trim(stack_pool *p)
{
    if (p->warm_count <= p->warm_max) return;
    for (size_t n = (p->warm_count - p->warm_max + TRIM_SHARE - 1) / TRIM_SHARE; n > 0; n--) {
        stack_link *f = p->warm;
        assert(f);
        p->warm = f->next;
        p->warm_count--;
        /* All but the page that holds the link. */
        (void)madvise((char *)(f + 1) - p->stack_bytes, p->stack_bytes - p->page, MADV_DONTNEED);
        f->next = p->cold;
        p->cold = f;
    }
}

bool stack_overrun(const stack_pool *p, const void *high)
{
    static const char zeros[OVERRUN_BYTES]; /* what a fresh mapping has there */
    if (!((const stack_link *)high - 1)->unguarded) return false;
    return memcmp((const char *)high - p->stack_bytes - OVERRUN_BYTES, zeros, OVERRUN_BYTES) != 0;
}

bool stack_guards(const stack_pool *p, const void *high, const void *address)
{
    uintptr_t low = (uintptr_t)high - p->stack_bytes, a = (uintptr_t)address;
    return a >= low - p->guard_bytes && a < low;
}
