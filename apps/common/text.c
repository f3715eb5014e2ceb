#include "apps/common/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_append(sw_ctx *c, text *t, const char *data, size_t len)
{
    assert(t->len == 0 || t->len < t->room);
    if (t->len + len + 1 > t->room) {
        size_t room = (t->len + len + 1) * 2;
        char *grown = sw_alloc(c, room);
        if (t->len > 0) memcpy(grown, t->data, t->len);
        t->data = grown;
        t->room = room;
    }
    if (len > 0) memcpy(t->data + t->len, data, len);
    t->len += len;
    t->data[t->len] = '\0';
}

void text_add(sw_ctx *c, text *t, const char *string) { text_append(c, t, string, strlen(string)); }

void text_addf(sw_ctx *c, text *t, const char *format, ...)
{
    assert(format);
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    char *made = sw_alloc(c, (size_t)len + 1);
    (void)vsnprintf(made, (size_t)len + 1, format, again);
    va_end(again);
    text_append(c, t, made, (size_t)len);
}

const char *text_cut(sw_ctx *c, const char *string, size_t max)
{
    size_t len = strlen(string);
    if (len <= max) return string;
    len = max;
    while (len > 0 && ((unsigned char)string[len] & 0xC0) == 0x80) len--;
    char *cut = sw_alloc(c, len + 1);
    memcpy(cut, string, len);
    return cut;
}
