#include "storage/text_pool.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 64 };

static size_t name_hash(const char *text, size_t len)
{
    uint64_t h = 0xcbf29ce484222325;
    for (size_t i = 0; i < len; i++) h = (h ^ (uint8_t)text[i]) * 0x100000001b3;
    return (size_t)(h ^ h >> 32);
}

/* The cell that has the text, or would have it. */
static char **text_pool_cell(char **cells, size_t room, const char *text, size_t len)
{
    size_t i = name_hash(text, len) & (room - 1);
    assert((room & (room - 1)) == 0);
    while (cells[i] && (strlen(cells[i]) != len || (len > 0 && memcmp(cells[i], text, len) != 0)))
        i = (i + 1) & (room - 1);
    return &cells[i];
}

static bool text_pool_grow(text_pool *n)
{
    size_t room = n->room > 0 ? n->room * 2 : FIRST_ROOM;
    if (n->room > 0 && n->count * 2 < n->room) return true;
    char **cells = calloc(room, sizeof *cells);
    if (!cells) return false;
    for (size_t i = 0; i < n->room; i++)
        if (n->cells[i]) *text_pool_cell(cells, room, n->cells[i], strlen(n->cells[i])) = n->cells[i];
    free(n->cells);
    n->cells = cells;
    n->room = room;
    return true;
}

const char *text_pool_keep(text_pool *n, const char *text, size_t len)
{
    const char *zero = len > 0 ? memchr(text, 0, len) : NULL;
    if (zero) len = (size_t)(zero - text);
    if (!text_pool_grow(n)) return NULL;
    char **cell = text_pool_cell(n->cells, n->room, text, len);
    if (*cell == NULL) {
        char *copy = malloc(len + 1);
        if (!copy) return NULL;
        if (len > 0) memcpy(copy, text, len);
        copy[len] = 0;
        *cell = copy;
        n->count++;
    }
    return *cell;
}

void text_pool_free(text_pool *n)
{
    for (size_t i = 0; i < n->room; i++) free(n->cells[i]);
    free(n->cells);
    *n = (text_pool){.room = 0};
}
