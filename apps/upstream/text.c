#include "apps/upstream/text.h"

#include <string.h>

size_t text_cut_len(const char *string, size_t max)
{
    while (max > 0 && ((unsigned char)string[max] & 0xC0) == 0x80) max--;
    return max;
}

const char *text_cut(sw_ctx *c, const char *string, size_t max)
{
    if (strlen(string) <= max) return string;
    size_t len = text_cut_len(string, max);
    char *cut = sw_alloc(c, len + 1);
    memcpy(cut, string, len);
    return cut;
}
