#include "runtime/base/utf8.h"

#include <stdbool.h>

enum { UTF8_LENGTH_MAX = 4 };

size_t utf8_length(const uint8_t *s, size_t len)
{
    uint8_t low = 0x80, high = 0xbf;
    size_t n = s[0] < 0x80                    ? 1
               : s[0] >= 0xc2 && s[0] <= 0xdf ? 2
               : (s[0] & 0xf0) == 0xe0        ? 3
               : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                              : 0;
    if (n <= 1 || n > len) return n > len ? 0 : n;
    if (s[0] == 0xe0) low = 0xa0;
    if (s[0] == 0xed) high = 0x9f;
    if (s[0] == 0xf0) low = 0x90;
    if (s[0] == 0xf4) high = 0x8f;
    if (s[1] < low || s[1] > high) return 0;
    for (size_t i = 2; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    return n;
}

size_t utf8_whole(const char *text, size_t len)
{
    const uint8_t *s = (const uint8_t *)text;
    size_t at = len;
    while (at > 0 && len - at < UTF8_LENGTH_MAX && (s[at - 1] & 0xc0) == 0x80) at--;
    bool is_cut = at > 0 && s[at - 1] >= 0xc0 && utf8_length(s + at - 1, len - at + 1) == 0;
    return is_cut ? at - 1 : len;
}
