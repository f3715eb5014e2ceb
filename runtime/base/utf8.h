/* utf8: which bytes are a character. Pure. */
#ifndef RUNTIME_BASE_UTF8_H
#define RUNTIME_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* U+FFFD, which stands for bytes that are no UTF-8, and for half of a surrogate pair. */
#define UTF8_REPLACEMENT "\xef\xbf\xbd"
enum { UTF8_REPLACEMENT_BYTES = 3 };
_Static_assert(sizeof UTF8_REPLACEMENT - 1 == UTF8_REPLACEMENT_BYTES, "its length without the zero");

/* Returns the bytes of the character that `s` begins with, by Unicode 15.0, table 3-7 (D92); 0: malformed, or cut by
 * len. len > 0. */
size_t utf8_length(const uint8_t *s, size_t len);

/* Whether the character of `n` bytes is one of Unicode's control characters (general category Cc): up to U+001F, and
 * U+007F to U+009F. */
static inline bool utf8_is_control(const uint8_t *s, size_t n)
{
    return n == 1 ? s[0] < 0x20 || s[0] == 0x7f : n == 2 && s[0] == 0xc2 && s[1] < 0xa0;
}

/* Returns how many of the first bytes are ASCII, counted in eights: 0 also if fewer than eight bytes are. */
size_t utf8_ascii(const uint8_t *s, size_t len);

/* Whether all of the text is UTF-8; also if it is empty, whatever `text` is then. */
bool utf8_is_valid(const char *text, size_t len);

/* Whether the text is UTF-8 without control characters. */
bool utf8_is_clean(const char *text, size_t len);

/* Returns how many of the first `len` bytes of a longer text belong to whole characters: where the text can be cut. */
size_t utf8_whole(const char *text, size_t len);

#endif
