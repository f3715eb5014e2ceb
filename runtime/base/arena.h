/* arena: memory that is freed all at once: of a run, a step attempt, or one rendering. Bump allocation in chunks that
 * double; the first chunk is taken when the first byte is. Nothing in it is freed singly. */
#ifndef RUNTIME_BASE_ARENA_H
#define RUNTIME_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct arena arena;
typedef struct arena_cache arena_cache; /* first chunks for reuse, last freed first; of one thread */

struct arena {
    struct arena_chunk *chunk; /* newest, NULL before the first allocation */
    char *at, *end;            /* free space in it */
    arena_cache *cache;        /* NULL: none */
    size_t bytes, bytes_max;   /* taken in chunks; allowed */
    bool over, is_out;         /* it has been asked for more than is allowed; than there was */
};

arena_cache *arena_cache_new(void); /* NULL: out of memory */
void arena_cache_free(arena_cache *cache);

void arena_init(arena *a, arena_cache *cache);
void arena_set_limit(arena *a, size_t bytes_max);
void arena_free(arena *a); /* may be used again afterwards */

/* All of these return NULL when memory is out or the arena is over its limit. Aligned to 16 bytes. */
void *arena_alloc(arena *a, size_t size);
void *arena_zalloc(arena *a, size_t size);
void *arena_memdup(arena *a, const void *data, size_t len);
char *arena_strndup(arena *a, const char *text, size_t len); /* zero-terminated; zeros inside are kept */
char *arena_printf(arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(arena *a, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

#endif
