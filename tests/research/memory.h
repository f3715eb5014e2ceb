/* The memory that the agent's text modules take from their context, as a test has it: freed by memory_free(). */
#ifndef TESTS_RESEARCH_MEMORY_H
#define TESTS_RESEARCH_MEMORY_H

#include <stdlib.h>
#include <stepwell.h>

static struct {
    void **pieces;
    size_t count, room;
} memory;

void *sw_alloc(sw_ctx *c, size_t size)
{
    (void)c;
    if (memory.count == memory.room) {
        memory.room = memory.room ? memory.room * 2 : 64;
        memory.pieces = realloc(memory.pieces, memory.room * sizeof *memory.pieces);
        if (!memory.pieces) abort();
    }
    void *piece = calloc(1, size);
    if (!piece) abort();
    return memory.pieces[memory.count++] = piece;
}

static void memory_free(void)
{
    while (memory.count > 0) free(memory.pieces[--memory.count]);
    free(memory.pieces);
    memory.pieces = NULL;
    memory.room = 0;
}

#endif
