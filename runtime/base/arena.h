/* arena: memory that is freed all at once: of a run, a step's attempt, or one rendering. Owns its chunks, which double;
 * takes the first one with the first byte. Never frees anything singly. Of one thread. */
#ifndef RUNTIME_BASE_ARENA_H
#define RUNTIME_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct blocks;

typedef struct arena arena;
typedef struct arena_cache
    arena_cache; /* first chunks for reuse, last freed first; of one thread, outlives its arenas */

struct arena {
    struct arena_chunk *chunk; /* newest, NULL before the first allocation */
    char *at, *end;            /* free space in the newest chunk */
    arena_cache *cache;        /* borrowed; NULL: none */
    struct blocks *blocks;     /* where large chunks come from, and go; borrowed; NULL: malloc */
    const arena *heir;         /* adopts the chunks later, so that values in them are its own; NULL: nobody does */
    size_t bytes, bytes_max;   /* taken in chunks; allowed */
    bool over;                 /* the arena was asked for more than bytes_max allows */
    bool is_out;               /* malloc had none for the arena */
};

/* `b`: where chunks come from that are large enough; borrowed, NULL: malloc. NULL: out of memory. */
arena_cache *arena_cache_new(struct blocks *b);
void arena_cache_free(arena_cache *cache);

void arena_init(arena *a, arena_cache *cache);
void arena_set_limit(arena *a, size_t bytes_max); /* counts whole chunks; what is there already stays */
void arena_free(arena *a);                        /* frees all; the arena may be used again afterwards */

/* Makes an arena for another thread, whose chunks `heir` is to adopt: its limit is what `heir` has left. It takes large
 * chunks from the same blocks, where they go in the end: else each text that is read would leave as much spare. */
void arena_init_for(arena *a, const arena *heir);
/* Takes over the chunks of `from`, which is empty afterwards, and notes why `from` was refused memory. False: they are
 * more than `a` may have (over), and stay with `from`. */
bool arena_adopt(arena *a, arena *from);

/* Each returns memory aligned to 16 bytes; NULL: malloc has none (is_out), or the limit is reached (over). */
void *arena_alloc(arena *a, size_t size);
void *arena_zalloc(arena *a, size_t size);
void *arena_memdup(arena *a, const void *data, size_t len);
char *arena_strndup(arena *a, const char *text, size_t len); /* terminated; zeros inside are copied */
char *arena_printf(arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(arena *a, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

#endif
