#include "apps/upstream/text.h"

#include <string.h>

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
