#include "runtime/base/json_plain.h"

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runtime/base/utf8.h"

static bool is_special(char c)
{
    uint8_t byte = (uint8_t)c;
    return byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\';
}

/* Returns how many of eight bytes come before the first special one: a quote, a backslash, a control character or not
 * ASCII; 8: none is. */
static int plain_of_eight(const char *eight)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    uint64_t bytes;
    memcpy(&bytes, eight, sizeof bytes);
    bytes = le64toh(bytes); /* a subtraction borrows from later bytes alone: the first that is found is right */
    uint64_t quote = bytes ^ ones * '"', backslash = bytes ^ ones * '\\';
    uint64_t special = (bytes | (bytes - ones * 0x20) | (quote - ones) | (backslash - ones)) & tops;
    return special == 0 ? 8 : __builtin_ctzll(special) / 8;
}

static const char *ascii_end(const char *at, const char *end)
{
    while (end - at >= 8) {
        int plain = plain_of_eight(at);
        at += plain;
        if (plain < 8) {
            assert(is_special(*at));
            return at;
        }
    }
    while (at < end && !is_special(*at)) at++;
    return at;
}

const char *json_plain_end(const char *at, const char *end)
{
    for (;;) {
        at = ascii_end(at, end);
        if (at == end || (uint8_t)*at < 0x80) return at;
        while (at < end && (uint8_t)*at >= 0x80) {
            size_t n = utf8_length((const uint8_t *)at, (size_t)(end - at));
            if (n == 0) return at;
            at += n;
        }
    }
}
