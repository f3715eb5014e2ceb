/* The memory that the agent's text modules take from their context, as a test has it: freed by memory_free(). */
#ifndef TESTS_RESEARCH_MEMORY_H
#define TESTS_RESEARCH_MEMORY_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stepwell.h>
#include <string.h>

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
    memory.pieces[memory.count] = calloc(1, size);
    if (!memory.pieces[memory.count]) abort();
    return memory.pieces[memory.count++];
}

void sw_text_add_bytes(sw_ctx *c, sw_text *text, const char *data, size_t len)
{
    if (text->len + len + 1 > text->room) {
        size_t room = (text->len + len + 1) * 2;
        char *more = sw_alloc(c, room);
        if (text->len > 0) memcpy(more, text->data, text->len);
        text->data = more;
        text->room = room;
    }
    if (len > 0) memcpy((char *)(uintptr_t)text->data + text->len, data, len);
    text->len += len;
    ((char *)(uintptr_t)text->data)[text->len] = 0;
}

void sw_text_add(sw_ctx *c, sw_text *text, const char *format, ...)
{
    char made[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(made, sizeof made, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof made) abort();
    sw_text_add_bytes(c, text, made, (size_t)len);
}

const char *sw_text_str(const sw_text *text) { return text->data ? text->data : ""; }

static void memory_free(void)
{
    while (memory.count > 0) free(memory.pieces[--memory.count]);
    free(memory.pieces);
    memory.pieces = NULL;
    memory.room = 0;
}

#endif
