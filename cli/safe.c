#include "cli/safe.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/utf8.h"

enum { ESCAPE_BYTES = 12, CUT_COLUMNS = 3 };

static uint32_t code_point(const uint8_t *s, size_t len)
{
    static const uint8_t first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = s[0] & first[len];
    for (size_t i = 1; i < len; i++) code = code << 6 | (s[i] & 0x3fU);
    return code;
}

static bool code_is_between(uint32_t code, const uint32_t (*ranges)[2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i][0] && code <= ranges[i][1]) return true;
    return false;
}

/* Control characters, line and paragraph separators, what is not seen, and what turns text round (Unicode,
 * bidirectional algorithm; Trojan Source, CVE-2021-42574). */
static bool code_is_hostile(uint32_t code)
{
    static const uint32_t ranges[][2] = {{0, 0x1f},        {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},
                                         {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
                                         {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff},
                                         {0xe000, 0xf8ff}};
    return code_is_between(code, ranges, sizeof ranges / sizeof *ranges);
}

/* East Asian Wide, about, and emoji. */
static size_t code_columns(uint32_t code)
{
    static const uint32_t wide[][2] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3},   {0xf900, 0xfaff},
                                       {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
    static const uint32_t none[][2] = {{0x300, 0x36f}, {0x1ab0, 0x1aff}, {0x20d0, 0x20ff}};
    if (code_is_between(code, none, sizeof none / sizeof *none)) return 0;
    return code_is_between(code, wide, sizeof wide / sizeof *wide) ? 2 : 1;
}

/* Writes the first character of `s` as it is shown. Returns how many bytes of `s` that are. */
static size_t safe_one(const uint8_t *s, size_t len, char out[ESCAPE_BYTES], size_t *columns)
{
    size_t n = utf8_length(s, len);
    uint32_t code = n > 0 ? code_point(s, n) : s[0];
    if (n > 0 && !code_is_hostile(code) && code != '\\') {
        memcpy(out, s, n);
        out[n] = 0;
        *columns = code_columns(code);
        return n;
    }
    int width = 0;
    if (code == '\\')
        width = snprintf(out, ESCAPE_BYTES, "\\\\");
    else if (code == '\n' || code == '\t' || code == '\r')
        width = snprintf(out, ESCAPE_BYTES, "\\%c", code == '\n' ? 'n' : code == '\t' ? 't' : 'r');
    else
        width = snprintf(out, ESCAPE_BYTES, code > 0xff ? "\\u{%x}" : "\\x%02x", code);
    *columns = (size_t)width;
    return n > 0 ? n : 1;
}

char *safe_text(cli *c, const char *data, size_t len, size_t most)
{
    char *out = arena_alloc(&c->arena, len * ESCAPE_BYTES + CUT_COLUMNS + 1);
    size_t at = 0, used = 0, before_cut = 0;
    cli_must(out);
    for (size_t i = 0; i < len;) {
        char one[ESCAPE_BYTES];
        size_t columns, n = safe_one((const uint8_t *)data + i, len - i, one, &columns);
        if (most > 0 && used + columns > most) {
            memcpy(out + before_cut, "...", CUT_COLUMNS + 1);
            return out;
        }
        memcpy(out + at, one, strlen(one));
        at += strlen(one);
        used += columns;
        i += n;
        if (used + CUT_COLUMNS <= most) before_cut = at;
    }
    out[at] = 0;
    return out;
}

size_t safe_columns(const char *text)
{
    size_t columns = 0, len = strlen(text);
    for (size_t i = 0; i < len;) {
        size_t n = utf8_length((const uint8_t *)text + i, len - i);
        columns += n > 0 ? code_columns(code_point((const uint8_t *)text + i, n)) : 1;
        i += n > 0 ? n : 1;
    }
    return columns;
}
