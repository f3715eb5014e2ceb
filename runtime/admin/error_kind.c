#include "runtime/admin/error_kind.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "runtime/base/utf8.h"

/* A character of a kind, and how many bytes of the message it stands for. */
typedef struct kind_character {
    const char *text;
    size_t len, read;
} kind_character;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* len > 0. */
static kind_character character_read(const char *message, size_t len)
{
    size_t digits = 0;
    while (digits < len && is_digit(message[digits])) digits++;
    if (digits > 0) return (kind_character){"#", 1, digits};
    size_t n = *message ? utf8_length((const uint8_t *)message, len) : 0;
    if (n == 0) return (kind_character){UTF8_REPLACEMENT, UTF8_REPLACEMENT_BYTES, 1};
    return (kind_character){message, n, n};
}

size_t error_kind(char out[ERROR_KIND_BYTES], const char *message, size_t len)
{
    size_t n = 0;
    for (size_t at = 0; at < len;) {
        kind_character c = character_read(message + at, len - at);
        if (n + c.len > ERROR_KIND_BYTES) break;
        memcpy(out + n, c.text, c.len);
        n += c.len;
        at += c.read;
    }
    assert(n <= ERROR_KIND_BYTES);
    return n;
}

bool error_is_of_kind(const char *message, size_t len, const char *kind)
{
    char own[ERROR_KIND_BYTES];
    size_t own_len = error_kind(own, message, len);
    return own_len == strlen(kind) && memcmp(own, kind, own_len) == 0;
}
