#include "cli/safe.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/utf8.h"

enum { ESCAPE_BYTES = 12, CUT_COLUMNS = 3 };

size_t safe_code(const uint8_t *s, size_t len, uint32_t *code)
{
    static const uint8_t first[] = {0xff, 0x7f, 0x1f, 0x0f, 0x07};
    size_t n = utf8_length(s, len);
    *code = s[0] & first[n];
    for (size_t i = 1; i < n; i++) *code = *code << 6 | (s[i] & 0x3fU);
    return n;
}

static bool code_is_between(uint32_t code, const uint32_t (*ranges)[2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i][0] && code <= ranges[i][1]) return true;
    return false;
}

/* Control characters, line and paragraph separators, what is not seen, and what turns text round (Unicode,
 * bidirectional algorithm; Trojan Source, CVE-2021-42574). */
bool safe_is_hostile(uint32_t code)
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
    uint32_t code;
    size_t n = safe_code(s, len, &code);
    if (n > 0 && !safe_is_hostile(code) && code != '\\') {
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

/* Writes the text as it is shown; `out` NULL: nowhere. Returns how many bytes of room that takes, with the zero, and
 * with what stands for a moment where it is cut. */
static size_t safe_write(const char *data, size_t len, size_t most, char *out)
{
    size_t at = 0, used = 0, before_cut = 0;
    bool is_cut = false;
    for (size_t i = 0; i < len && !is_cut;) {
        char one[ESCAPE_BYTES];
        size_t columns, n = safe_one((const uint8_t *)data + i, len - i, one, &columns);
        is_cut = most > 0 && used + columns > most;
        if (is_cut) break;
        if (out) memcpy(out + at, one, strlen(one));
        at += strlen(one);
        used += columns;
        i += n;
        if (used + CUT_COLUMNS <= most) before_cut = at;
    }
    size_t end = is_cut ? before_cut + CUT_COLUMNS : at;
    if (is_cut && out) memcpy(out + before_cut, "...", CUT_COLUMNS);
    if (out) out[end] = 0;
    return (end > at ? end : at) + 1;
}

char *safe_text(cli *c, const char *data, size_t len, size_t most)
{
    char *out = arena_alloc(&c->arena, safe_write(data, len, most, NULL));
    cli_must(out);
    (void)safe_write(data, len, most, out);
    return out;
}

size_t safe_columns(const char *text)
{
    size_t columns = 0, len = strlen(text);
    for (size_t i = 0; i < len;) {
        uint32_t code;
        size_t n = safe_code((const uint8_t *)text + i, len - i, &code);
        columns += n > 0 ? code_columns(code) : 1;
        i += n > 0 ? n : 1;
    }
    return columns;
}
