#include "runtime/base/json_reader.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/hex_digit.h"
#include "runtime/base/json.h"
#include "runtime/base/json_keys.h"
#include "runtime/base/json_number.h"
#include "runtime/base/json_plain.h"
#include "runtime/base/utf8.h"
#include "runtime/base/value.h"

/* `wrong` when the text is not to blame, but the arena. */
static const char no_memory[] = "no memory";

typedef struct json_reader {
    arena *a;
    const char *start, *at, *end;
    const char *wrong; /* what is wrong at `at`, once something is; no_memory: not the text's fault */
    /* owned: members of the arrays and maps that are open, those of the innermost last; only its end tells their number
     */
    sw_value *members;
    size_t count, room;
    unsigned depth, depth_max;
} json_reader;

static bool reader_fail(json_reader *r, const char *wrong)
{
    r->wrong = wrong;
    return false;
}

static void reader_skip_space(json_reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) r->at++;
}

/* Returns the next byte; zero at the end. A zero in the text is none of JSON's grammar either. */
static char reader_peek(const json_reader *r) { return (char)(r->at < r->end ? *r->at : 0); }

static bool reader_push(json_reader *r, sw_value v)
{
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 64;
        r->a->over =
            r->a->over || r->count * sizeof v > r->a->bytes_max; /* the arena would have no room for these members */
        if (r->a->over) return reader_fail(r, no_memory);
        sw_value *moved = realloc(r->members, room * sizeof v);
        if (!moved) return reader_fail(r, no_memory);
        r->members = moved;
        r->room = room;
    }
    r->members[r->count++] = v;
    return true;
}

/* ---- Strings ---- */

/* Returns the unit of UTF-16 of a \uXXXX at `at`; -1: there is none. */
static int32_t utf16_unit(const char *at, const char *end)
{
    int32_t unit = 0;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return -1;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit_value(at[i]);
        if (digit < 0) return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* Writes a character's one to four bytes and returns their end. */
static char *utf8_put(char *to, uint32_t c)
{
    assert(c <= 0x10ffff && (c < 0xd800 || c > 0xdfff));
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *to++ = (char)(0xe0 | c >> 12);
        } else {
            *to++ = (char)(0xf0 | c >> 18);
            *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        }
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (c & 0x3f));
    return to;
}

/* Reads the character of the \u escape at r->at: U+FFFD for half a surrogate pair, as in an emoji that was cut. */
static bool reader_read_unicode(json_reader *r, char **to)
{
    int32_t unit = utf16_unit(r->at, r->end), low;
    if (unit < 0) return reader_fail(r, "\\u without four hexadecimal digits");
    r->at += 6;
    uint32_t c = (uint32_t)unit;
    if (unit >= 0xd800 && unit <= 0xdbff && (low = utf16_unit(r->at, r->end)) >= 0xdc00 && low <= 0xdfff) {
        r->at += 6;
        c = 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
    } else if (unit >= 0xd800 && unit <= 0xdfff) {
        c = 0xfffd;
    }
    *to = utf8_put(*to, c);
    return true;
}

static bool reader_read_escape(json_reader *r, char **to)
{
    static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    _Static_assert(sizeof names == sizeof meant, "each escape has its meaning");
    assert(*r->at == '\\');
    char name = (char)(r->end - r->at > 1 ? r->at[1] : 0);
    if (name == 'u') return reader_read_unicode(r, to);
    const char *found = name ? strchr(names, name) : NULL;
    if (!found) return reader_fail(r, "a backslash without a known character after it");
    *(*to)++ = meant[found - names];
    r->at += 2;
    return true;
}

/* Finds the closing quote and a bound of the string's bytes: an escape is never shorter than the character that it
 * means, but a byte that is no UTF-8 is shorter than U+FFFD. */
static bool reader_measure_string(json_reader *r, const char **close, size_t *bytes_max)
{
    const char *at = r->at;
    size_t malformed = 0;
    while ((at = json_plain_end(at, r->end)) < r->end && *at != '"') {
        malformed += (uint8_t)*at >= 0x80;
        at += *at == '\\' && r->end - at > 1 && (uint8_t)at[1] < 0x80 ? 2 : 1;
    }
    if (at >= r->end) {
        r->at = r->end;
        return reader_fail(r, "the text ends within a string");
    }
    *close = at;
    *bytes_max = (size_t)(at - r->at) + malformed * (UTF8_REPLACEMENT_BYTES - 1);
    return *bytes_max <= UINT32_MAX || reader_fail(r, "a string of more than 4 GiB");
}

static bool reader_read_special(json_reader *r, char **to)
{
    if (*r->at == '\\') return reader_read_escape(r, to);
    if ((uint8_t)*r->at < 0x20) return reader_fail(r, "a control character in a string");
    memcpy(*to, UTF8_REPLACEMENT, UTF8_REPLACEMENT_BYTES);
    *to += UTF8_REPLACEMENT_BYTES;
    r->at++;
    return true;
}

/* Reads from behind the opening quote to behind the closing one. */
static bool reader_read_string(json_reader *r, sw_value *out)
{
    const char *close = json_plain_end(r->at, r->end);
    size_t bytes = (size_t)(close - r->at);
    bool plain = close < r->end && *close == '"' && bytes <= UINT32_MAX;
    if (!plain && !reader_measure_string(r, &close, &bytes)) return false;
    char *text = arena_alloc(r->a, bytes + 1), *to = text;
    if (!text) return reader_fail(r, no_memory);
    for (;;) {
        const char *special = plain ? close : json_plain_end(r->at, close);
        assert(special <= close);
        memcpy(to, r->at, (size_t)(special - r->at));
        to += special - r->at;
        r->at = special;
        if (special == close) break;
        if (!reader_read_special(r, &to)) return false;
    }
    assert((size_t)(to - text) <= bytes);
    assert(*r->at == '"');
    *to = 0;
    r->at++;
    *out = (sw_value){.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)(to - text), text}};
    return true;
}

/* ---- Arrays and maps ---- */

static bool reader_read_value(json_reader *r, sw_value *out);

/* Reads what follows a member: ',' (*more), or the closing bracket. False: neither. */
static bool reader_read_separator(json_reader *r, char closing, bool *more)
{
    reader_skip_space(r);
    char c = reader_peek(r);
    if (c != ',' && c != closing) {
        if (r->at == r->end) return reader_fail(r, "the text ends too early");
        return reader_fail(r, closing == ']' ? "neither ',' nor ']'" : "neither ',' nor '}'");
    }
    r->at++;
    *more = c == ',';
    return true;
}

static bool reader_read_members(json_reader *r, char closing)
{
    bool more = true;
    reader_skip_space(r);
    if (reader_peek(r) == closing) {
        r->at++;
        return true;
    }
    while (more) {
        sw_value v;
        if (closing == '}') {
            reader_skip_space(r);
            if (reader_peek(r) != '"')
                return reader_fail(r, r->at == r->end ? "the text ends too early" : "a key without a quote");
            r->at++;
            if (!reader_read_string(r, &v) || !reader_push(r, v)) return false;
            reader_skip_space(r);
            if (reader_peek(r) != ':')
                return reader_fail(r, r->at == r->end ? "the text ends too early" : "no ':' after a key");
            r->at++;
        }
        if (!reader_read_value(r, &v) || !reader_push(r, v) || !reader_read_separator(r, closing, &more)) return false;
    }
    return true;
}

static bool reader_finish_array(json_reader *r, const sw_value *members, size_t n, sw_value *out)
{
    if (n > UINT32_MAX) return reader_fail(r, "an array of more than 4,294,967,295 members");
    *out = (sw_value){.type = MSGPACK_OBJECT_ARRAY};
    if (n == 0) return true; /* a document may have millions of empty ones */
    out->via.array.size = (uint32_t)n;
    out->via.array.ptr = value_array_new(r->a, (uint32_t)n);
    if (!out->via.array.ptr) return reader_fail(r, no_memory);
    memcpy(out->via.array.ptr, members, n * sizeof *members);
    return true;
}

_Static_assert(sizeof(msgpack_object_kv) == 2 * sizeof(sw_value), "pairs lie in members as key, value, key, value");

static bool reader_finish_map(json_reader *r, msgpack_object_kv *pairs, size_t n, sw_value *out)
{
    if (n > UINT32_MAX) return reader_fail(r, "an object of more than 4,294,967,295 members");
    uint32_t unique = (uint32_t)n;
    *out = (sw_value){.type = MSGPACK_OBJECT_MAP};
    if (n == 0) return true;
    if (!json_keys_merge(pairs, &unique)) return reader_fail(r, no_memory);
    msgpack_object_kv *copy = arena_memdup(r->a, pairs, unique * sizeof *pairs);
    out->via.map = (msgpack_object_map){unique, copy};
    return copy || reader_fail(r, no_memory);
}

static bool reader_read_container(json_reader *r, char closing, sw_value *out)
{
    size_t base = r->count;
    if (r->depth == r->depth_max)
        return reader_fail(r, r->depth_max == VALUE_DEPTH_MAX ? "it is nested more than 128 levels deep"
                                                              : "it is nested too deep");
    r->at++;
    r->depth++;
    if (!reader_read_members(r, closing)) return false;
    assert(r->depth > 0 && r->count >= base);
    assert(closing == ']' || (r->count - base) % 2 == 0); /* keys and values */
    r->depth--;
    size_t n = r->count - base;
    sw_value *members = n > 0 ? r->members + base : NULL;
    r->count = base;
    return closing == ']' ? reader_finish_array(r, members, n, out)
                          : reader_finish_map(r, (msgpack_object_kv *)(void *)members, n / 2, out);
}

/* ---- Any value ---- */

static bool reader_read_word(json_reader *r, const char *word, sw_value meant, sw_value *out)
{
    size_t n = strlen(word);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0) return reader_fail(r, "not a value");
    r->at += n;
    *out = meant;
    return true;
}

static bool reader_read_number(json_reader *r, sw_value *out)
{
    const char *after = json_number_read(r->at, r->end, out, &r->wrong);
    if (after) r->at = after;
    return after != NULL;
}

static bool reader_read_value(json_reader *r, sw_value *out)
{
    reader_skip_space(r);
    switch (reader_peek(r)) {
    case '"':
        r->at++;
        return reader_read_string(r, out);
    case '{':
        return reader_read_container(r, '}', out);
    case '[':
        return reader_read_container(r, ']', out);
    case 't':
        return reader_read_word(r, "true", sw_bool(true), out);
    case 'f':
        return reader_read_word(r, "false", sw_bool(false), out);
    case 'n':
        return reader_read_word(r, "null", sw_nil(), out);
    case '-':
    case '0' ... '9':
        return reader_read_number(r, out);
    default:
        return reader_fail(r, r->at == r->end ? "the text ends too early" : "not a value");
    }
}

/* Returns what is wrong, with line and column, in characters, both from 1; static if the arena has no memory for it. */
static const char *reader_describe_error(const json_reader *r)
{
    size_t line = 1, column = 1;
    assert(r->wrong);
    if (r->wrong == no_memory) return value_refusal(r->a);
    for (const char *p = r->start; p < r->at; p++) {
        bool newline = *p == '\n';
        line += newline;
        column = newline ? 1 : column + ((*p & 0xc0) != 0x80);
    }
    const char *text = arena_printf(r->a, "line %zu, column %zu: %s", line, column, r->wrong);
    return text ? text : r->wrong;
}

static bool reader_read_all(json_reader *r, sw_value *out, const char **message)
{
    bool ok = reader_read_value(r, out);
    if (ok) reader_skip_space(r);
    if (ok && r->at < r->end) ok = reader_fail(r, "something follows the value");
    assert(!ok || (r->count == 0 && r->depth == 0));
    free(r->members);
    if (ok) return true;
    *out = sw_nil();
    *message = reader_describe_error(r);
    return false;
}

static json_reader reader_of(arena *a, const char *data, size_t len, unsigned depth_max)
{
    static const char mark[] = "\xef\xbb\xbf";
    size_t marked = len >= 3 && memcmp(data, mark, 3) == 0 ? 3 : 0;
    return (json_reader){
        .a = a, .start = data + marked, .at = data + marked, .end = data + len, .depth_max = depth_max};
}

bool json_read(arena *a, const char *data, size_t len, sw_value *out, const char **message)
{
    json_reader r = reader_of(a, data, len, VALUE_DEPTH_MAX);
    return reader_read_all(&r, out, message);
}

bool json_read_document(arena *a, const char *data, size_t len, sw_value *out, const char **message)
{
    json_reader r = reader_of(a, data, len, JSON_DOCUMENT_DEPTH_MAX);
    return reader_read_all(&r, out, message);
}
