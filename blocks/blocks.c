#include "blocks/blocks.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

#include "coro/sanitize.h"

enum {
    STEPS = 4,      /* sizes between a power of two and the next */
    DOUBLINGS = 12, /* larger blocks than the last size, 56 MiB, are not kept */
    SIZES = STEPS * DOUBLINGS,
    TRIM_PARTS = 512, /* each ms one of so many parts of what nobody needs is given back, but no more than ... */
    TRIM_BYTES_A_MS = 1 << 20, /* ... this: a page costs the loop up to a microsecond */
    TRIM_MS_MOST = 16          /* that count in one call, which holds the loop */
};

/* A block that is kept: lies in the block itself. */
typedef struct kept {
    TAILQ_ENTRY(kept) of_size, of_age;
    size_t size;
} kept;

TAILQ_HEAD(kept_list, kept);

_Static_assert(sizeof(kept) <= BLOCK_BYTES_MIN, "any block has room for it");
_Static_assert(BLOCK_BYTES_MIN % STEPS == 0, "the smallest step is whole bytes");

struct blocks {
    pthread_mutex_t lock; /* of all that follows but page and spare_max, which stay; held for no system call */
    struct kept_list by_size[SIZES]; /* last given first */
    struct kept_list by_age;         /* oldest first */
    size_t kept_bytes, spare_max;
    size_t kept_least; /* bytes, since the last trim: nobody has needed these */
    size_t page;
};

/* ---- Sizes ---- */

/* The size at `index`: 16, 20, 24, 28, 32, 40, ... KiB. */
static size_t size_at(size_t index)
{
    size_t base = (size_t)BLOCK_BYTES_MIN << (index / STEPS);
    return base + base / STEPS * (index % STEPS);
}

/* The index of the largest size that is not above `bytes`. */
static size_t size_index(size_t bytes)
{
    assert(bytes >= BLOCK_BYTES_MIN);
    size_t doubling = 0;
    while (((size_t)BLOCK_BYTES_MIN << (doubling + 1)) <= bytes) doubling++;
    size_t base = (size_t)BLOCK_BYTES_MIN << doubling;
    return doubling * STEPS + (bytes - base) / (base / STEPS);
}

/* Sanitizers and Valgrind find who goes beyond a block, or uses one that is freed: for them all is malloc's. */
static bool size_is_kept(size_t bytes)
{
#if defined(CORO_ASAN) || defined(CORO_VALGRIND)
    return false && bytes;
#else
    return bytes >= BLOCK_BYTES_MIN && bytes <= size_at(SIZES - 1);
#endif
}

static size_t size_round_up(size_t bytes)
{
    size_t index = size_index(bytes);
    return size_at(index) == bytes ? bytes : size_at(index + 1);
}

/* ---- What is kept ---- */

blocks *blocks_new(size_t spare_max)
{
    blocks *b = calloc(1, sizeof *b);
    if (!b) return NULL;
    if (pthread_mutex_init(&b->lock, NULL) != 0) {
        free(b);
        return NULL;
    }
    for (size_t i = 0; i < SIZES; i++) TAILQ_INIT(&b->by_size[i]);
    TAILQ_INIT(&b->by_age);
    b->spare_max = spare_max;
    b->page = (size_t)sysconf(_SC_PAGESIZE);
    return b;
}

static void kept_remove(blocks *b, kept *k)
{
    assert(b->kept_bytes >= k->size);
    TAILQ_REMOVE(&b->by_size[size_index(k->size)], k, of_size);
    TAILQ_REMOVE(&b->by_age, k, of_age);
    b->kept_bytes -= k->size;
    if (b->kept_bytes < b->kept_least) b->kept_least = b->kept_bytes;
}

/* Frees the oldest, if more than `floor` bytes are kept, and returns its size. Its pages go to the system here, since
 * malloc may not let go of them. */
static size_t kept_drop(blocks *b, size_t floor)
{
    (void)pthread_mutex_lock(&b->lock);
    kept *k = b->kept_bytes > floor ? TAILQ_FIRST(&b->by_age) : NULL;
    if (k) kept_remove(b, k);
    (void)pthread_mutex_unlock(&b->lock);
    if (!k) return 0;
    size_t size = k->size;
    uintptr_t from = ((uintptr_t)k + b->page - 1) & ~(uintptr_t)(b->page - 1);
    uintptr_t end = ((uintptr_t)k + size) & ~(uintptr_t)(b->page - 1);
    if (end > from) (void)madvise((char *)k + (from - (uintptr_t)k), end - from, MADV_DONTNEED);
    free(k);
    return size;
}

void blocks_free(blocks *b)
{
    if (!b) return;
    while (kept_drop(b, 0) > 0) continue;
    assert(b->kept_bytes == 0);
    (void)pthread_mutex_destroy(&b->lock);
    free(b);
}

size_t blocks_kept(blocks *b)
{
    (void)pthread_mutex_lock(&b->lock);
    size_t bytes = b->kept_bytes;
    (void)pthread_mutex_unlock(&b->lock);
    return bytes;
}

/* Returns one of `size` bytes that is kept, the last given; NULL: there is none. */
static kept *kept_take(blocks *b, size_t size)
{
    (void)pthread_mutex_lock(&b->lock);
    kept *k = TAILQ_FIRST(&b->by_size[size_index(size)]);
    if (k) kept_remove(b, k);
    (void)pthread_mutex_unlock(&b->lock);
    assert(!k || k->size == size);
    return k;
}

void *blocks_take(blocks *b, size_t *size)
{
    if (!b || !size_is_kept(*size)) return malloc(*size);
    *size = size_round_up(*size);
    assert(size_is_kept(*size));
    void *block = kept_take(b, *size);
    if (!block) block = malloc(*size);
    while (!block && kept_drop(b, 0) > 0) block = malloc(*size); /* want of memory, and here is some */
    return block;
}

void blocks_give(blocks *b, void *block, size_t size)
{
    if (!block || !b || !size_is_kept(size)) {
        free(block);
        return;
    }
    kept *k = block;
    size_t index = size_index(size);
    k->size = size_at(index);
    assert(k->size <= size);
    (void)pthread_mutex_lock(&b->lock);
    TAILQ_INSERT_HEAD(&b->by_size[index], k, of_size);
    TAILQ_INSERT_TAIL(&b->by_age, k, of_age);
    b->kept_bytes += k->size;
    (void)pthread_mutex_unlock(&b->lock);
}

/* How much of `surplus` is given back after so long. */
static size_t trim_share(size_t surplus, uint64_t passed_ms)
{
    if (passed_ms > TRIM_MS_MOST) passed_ms = TRIM_MS_MOST;
    size_t share = surplus / TRIM_PARTS * (size_t)passed_ms, most = TRIM_BYTES_A_MS * (size_t)passed_ms;
    return share < most ? share : most;
}

bool blocks_trim(blocks *b, uint64_t passed_ms)
{
    (void)pthread_mutex_lock(&b->lock);
    assert(b->kept_least <= b->kept_bytes);
    size_t least = b->kept_least;
    (void)pthread_mutex_unlock(&b->lock);
    size_t surplus = least > b->spare_max ? least - b->spare_max : 0, share = trim_share(surplus, passed_ms);
    for (size_t given = 0, size = surplus; size > 0 && given <= share; given += size) size = kept_drop(b, b->spare_max);
    (void)pthread_mutex_lock(&b->lock);
    b->kept_least = b->kept_bytes;
    bool more = b->kept_bytes > b->spare_max;
    (void)pthread_mutex_unlock(&b->lock);
    return more;
}
