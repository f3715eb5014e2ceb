/* utf8: which bytes are a character. */
#ifndef RUNTIME_BASE_UTF8_H
#define RUNTIME_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* What stands for bytes that are no UTF-8, and for half of a surrogate pair: U+FFFD. */
#define UTF8_REPLACEMENT "\xef\xbf\xbd"
enum { UTF8_REPLACEMENT_BYTES = 3 };

/* Bytes of the sequence that `s` begins with, by the table of Unicode 15.0, 3.9 (D92); 0 if it is malformed. len > 0.
 */
size_t utf8_length(const uint8_t *s, size_t len);

/* How many of the first `len` bytes of a text that goes on belong to whole characters: it can be cut there. */
size_t utf8_whole(const char *text, size_t len);

#endif
