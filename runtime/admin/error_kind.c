#include "runtime/admin/error_kind.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "runtime/base/utf8.h"

enum { READ_BYTES = 1024 /* of a message in which something is to be hidden: numbers are short */ };

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

static size_t kind_write(char out[ERROR_KIND_BYTES], http_text message)
{
    size_t n = 0;
    for (size_t at = 0; at < message.len;) {
        kind_character c = character_read(message.data + at, message.len - at);
        if (n + c.len > ERROR_KIND_BYTES) break;
        memcpy(out + n, c.text, c.len);
        n += c.len;
        at += c.read;
    }
    assert(n <= ERROR_KIND_BYTES);
    return n;
}

size_t error_kind(char out[ERROR_KIND_BYTES], const redact *hides, http_text message)
{
    char shown[READ_BYTES];
    if (!hides) return kind_write(out, message);
    size_t len = redact_text(hides, message, shown, sizeof shown);
    return kind_write(out, (http_text){shown, len < sizeof shown ? len : sizeof shown - 1});
}

bool error_is_of_kind(const redact *hides, http_text message, const char *kind)
{
    char own[ERROR_KIND_BYTES];
    size_t own_len = error_kind(own, hides, message);
    return own_len == strlen(kind) && memcmp(own, kind, own_len) == 0;
}
