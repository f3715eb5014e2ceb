#include "runtime/base/json_plain.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runtime/base/utf8.h"

/* Whether one of eight bytes is special: a quote, a backslash, a control character or not ASCII. */
static bool any_special(const char *eight)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    uint64_t bytes;
    memcpy(&bytes, eight, sizeof bytes);
    uint64_t quote = bytes ^ ones * '"', backslash = bytes ^ ones * '\\';
    return ((bytes | (bytes - ones * 0x20) | (quote - ones) | (backslash - ones)) & tops) != 0;
}

static bool is_special(char c)
{
    uint8_t byte = (uint8_t)c;
    return byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\';
}

const char *json_plain_end(const char *at, const char *end)
{
    for (;;) {
        while (end - at >= 8 && !any_special(at)) at += 8;
        while (at < end && !is_special(*at)) at++;
        if (at == end || (uint8_t)*at < 0x80) return at;
        while (at < end && (uint8_t)*at >= 0x80) {
            size_t n = utf8_length((const uint8_t *)at, (size_t)(end - at));
            if (n == 0) return at;
            at += n;
        }
    }
}
