/* text_pool: texts of which there are few and that are met often: each is kept once, so that two of them are equal if
 * their addresses are. Owns the texts until it is freed. Used by one thread at a time. */
#ifndef STORAGE_TEXT_POOL_H
#define STORAGE_TEXT_POOL_H

#include <stdbool.h>
#include <stddef.h>

typedef struct text_pool {
    char **cells; /* open addressing, a power of two, at most half full; NULL: free */
    size_t room, count;
} text_pool;

/* Returns the text, zero-terminated, at its one address. NULL: no memory. */
const char *text_pool_keep(text_pool *n, const char *text, size_t len);
void text_pool_free(text_pool *n);

#endif
