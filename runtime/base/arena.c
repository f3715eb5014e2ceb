#include "runtime/base/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocks/blocks.h"
#include "coro/sanitize.h"

enum { CHUNK_FIRST = 2048, CHUNK_MOST = 65536, CACHE_CHUNKS_MAX = 4096, ALIGNMENT = 16 };

typedef struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of the whole chunk */
} arena_chunk;

_Static_assert(sizeof(arena_chunk) % ALIGNMENT == 0, "the bytes behind a chunk's head are aligned");
_Static_assert((ALIGNMENT & (ALIGNMENT - 1)) == 0, "sizes are rounded up with a mask");
_Static_assert(CHUNK_FIRST % ALIGNMENT == 0 && CHUNK_MOST % ALIGNMENT == 0, "free space is whole units");

struct arena_cache {
    arena_chunk *chunks; /* all of CHUNK_FIRST bytes */
    size_t count;
    blocks *blocks; /* borrowed; NULL: none */
};

static void arena_poison(void *at, size_t len)
{
#if defined(CORO_ASAN)
    __asan_poison_memory_region(at, len);
#else
    (void)at, (void)len;
#endif
}

static void arena_unpoison(void *at, size_t len)
{
#if defined(CORO_ASAN)
    __asan_unpoison_memory_region(at, len);
#else
    (void)at, (void)len;
#endif
}

arena_cache *arena_cache_new(blocks *b)
{
    arena_cache *cache = calloc(1, sizeof *cache);
    if (cache) cache->blocks = b;
    return cache;
}

void arena_cache_free(arena_cache *cache)
{
    if (!cache) return;
    for (arena_chunk *c = cache->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(cache);
}

void arena_init(arena *a, arena_cache *cache)
{
    *a = (arena){.cache = cache, .blocks = cache ? cache->blocks : NULL, .bytes_max = SIZE_MAX};
}

void arena_set_limit(arena *a, size_t bytes_max) { a->bytes_max = bytes_max; }

/* Bytes of chunks that the arena may still take. */
static size_t arena_left(const arena *a) { return a->bytes < a->bytes_max ? a->bytes_max - a->bytes : 0; }

void arena_init_for(arena *a, const arena *heir)
{
    *a = (arena){.heir = heir, .blocks = heir->blocks, .bytes_max = arena_left(heir)};
}

bool arena_adopt(arena *a, arena *from)
{
    assert(from->heir == a && !from->cache);
    bool fits = from->bytes <= arena_left(a);
    assert(!from->chunk == (from->bytes == 0));
    a->is_out = a->is_out || from->is_out;
    a->over = a->over || from->over || !fits;
    if (!fits || !from->chunk) return fits;
    arena_chunk *last = from->chunk;
    while (last->next) last = last->next;
    if (a->chunk) { /* behind the newest, whose free space stays in use */
        last->next = a->chunk->next;
        a->chunk->next = from->chunk;
    } else {
        a->chunk = from->chunk;
        a->at = from->at;
        a->end = from->end;
    }
    a->bytes += from->bytes;
    from->chunk = NULL;
    from->at = from->end = NULL;
    from->bytes = 0;
    return true;
}

void arena_free(arena *a)
{
    for (arena_chunk *c = a->chunk, *next; c; c = next) {
        next = c->next;
        arena_unpoison(c, c->size);
        assert(c->size >= CHUNK_FIRST);
        if (a->cache && c->size == CHUNK_FIRST && a->cache->count < CACHE_CHUNKS_MAX) {
            c->next = a->cache->chunks;
            a->cache->chunks = c;
            a->cache->count++;
        } else {
            blocks_give(a->blocks, c, c->size);
        }
    }
    a->chunk = NULL;
    a->at = a->end = NULL;
    a->bytes = 0;
}

static arena_chunk *arena_take_chunk(arena *a, size_t size)
{
    if (size > arena_left(a)) {
        a->over = true;
        return NULL;
    }
    arena_chunk *c;
    size_t bytes = size; /* what the chunk has: may be more than is counted */
    if (size == CHUNK_FIRST && a->cache && a->cache->chunks) {
        assert(a->cache->count > 0);
        c = a->cache->chunks;
        a->cache->chunks = c->next;
        a->cache->count--;
    } else if (!(c = blocks_take(a->blocks, &bytes))) {
        a->is_out = true;
        return NULL;
    }
    c->size = bytes;
    a->bytes += size;
    assert(a->bytes <= a->bytes_max);
    return c;
}

static size_t arena_chunk_size(const arena *a)
{
    size_t size = a->chunk ? a->chunk->size * 2 : CHUNK_FIRST;
    return size > CHUNK_MOST ? CHUNK_MOST : size;
}

static void *arena_grow(arena *a, size_t size)
{
    assert(size > 0 && size % ALIGNMENT == 0);
    size_t chunk = arena_chunk_size(a), head = sizeof(arena_chunk);
    bool own = size > chunk / 4 && size + head > CHUNK_FIRST;
    arena_chunk *c = arena_take_chunk(a, own ? size + head : chunk);
    if (!c) return NULL;
    assert(head + size <= c->size);
    char *data = (char *)(c + 1);
    if (own && a->chunk) {
        /* A large object has a chunk of its own behind the newest, whose free space stays in use. */
        c->next = a->chunk->next;
        a->chunk->next = c;
        return data;
    }
    c->next = a->chunk;
    a->chunk = c;
    a->end = (char *)c + c->size;
    a->at = data + size;
    arena_poison(a->at, (size_t)(a->end - a->at));
    return data;
}

void *arena_alloc(arena *a, size_t size)
{
    assert(a->at <= a->end);
    if (size > SIZE_MAX / 2) {
        a->over = true;
        return NULL;
    }
    size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (rounded == 0) rounded = ALIGNMENT;
    if (rounded > (size_t)(a->end - a->at)) return arena_grow(a, rounded);
    void *p = a->at;
    a->at += rounded;
    arena_unpoison(p, rounded);
    return p;
}

void *arena_zalloc(arena *a, size_t size)
{
    void *p = arena_alloc(a, size);
    return p ? memset(p, 0, size) : NULL;
}

void *arena_memdup(arena *a, const void *data, size_t len)
{
    void *p = arena_alloc(a, len);
    if (p && len > 0) memcpy(p, data, len);
    return p;
}

char *arena_strndup(arena *a, const char *text, size_t len)
{
    char *p = arena_alloc(a, len < SIZE_MAX ? len + 1 : len);
    if (!p) return NULL;
    if (len > 0) memcpy(p, text, len);
    p[len] = 0;
    return p;
}

char *arena_vprintf(arena *a, const char *format, va_list args)
{
    char small[256];
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, format, args);
    char *text = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (text && (size_t)n < sizeof small)
        memcpy(text, small, (size_t)n + 1);
    else if (text)
        (void)vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

char *arena_printf(arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(a, format, args);
    va_end(args);
    return text;
}
