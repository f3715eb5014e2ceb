#include "runtime/base/utf8.h"

#include <assert.h>
#include <string.h>

enum { UTF8_LENGTH_MAX = 4 };

/* Returns how long the character is whose first byte this is; 0: no character begins so. */
static inline size_t utf8_length_by_first(uint8_t first)
{
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return 2;
    if ((first & 0xf0) == 0xe0) return 3;
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

size_t utf8_length(const uint8_t *s, size_t len)
{
    assert(len > 0);
    uint8_t low = 0x80, high = 0xbf;
    size_t n = utf8_length_by_first(s[0]);
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

size_t utf8_ascii(const uint8_t *s, size_t len)
{
    const uint64_t tops = UINT64_C(0x8080808080808080);
    size_t at = 0;
    for (uint64_t eight; len - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, s + at, sizeof eight);
        if (eight & tops) break;
    }
    assert(at <= len);
    return at;
}

/* Texts are ASCII for the most part: so as long as they are, eight bytes are looked at together. */
bool utf8_is_valid(const char *text, size_t len)
{
    const uint8_t *s = (const uint8_t *)text;
    for (size_t at = 0, n; at < len; at += n) {
        n = utf8_ascii(s + at, len - at);
        if (n == 0 && (n = utf8_length(s + at, len - at)) == 0) return false;
    }
    return true;
}

bool utf8_is_clean(const char *text, size_t len)
{
    const uint8_t *s = (const uint8_t *)text;
    for (size_t at = 0, n; at < len; at += n) {
        n = utf8_length(s + at, len - at);
        if (n == 0 || utf8_is_control(s + at, n)) return false;
    }
    return true;
}

size_t utf8_whole(const char *text, size_t len)
{
    const uint8_t *s = (const uint8_t *)text;
    size_t at = len;
    while (at > 0 && len - at < UTF8_LENGTH_MAX && (s[at - 1] & 0xc0) == 0x80) at--;
    bool is_cut = at > 0 && s[at - 1] >= 0xc0 && utf8_length(s + at - 1, len - at + 1) == 0;
    assert(at <= len);
    return is_cut ? at - 1 : len;
}
