#include "http/uri.h"

#include <assert.h>
#include <string.h>

#include "http/hex_digit.h"

/* Returns the byte whose escape begins at text.data[at]; -1: none begins there. */
static int uri_escaped_byte(http_text text, size_t at)
{
    assert(at < text.len);
    if (text.data[at] != '%' || text.len - at < 3) return -1;
    int high = hex_digit_value(text.data[at + 1]), low = hex_digit_value(text.data[at + 2]);
    return high < 0 || low < 0 || (high | low) == 0 ? -1 : high << 4 | low;
}

/* Decodes one byte of a path at text.data[*at] and moves *at behind it; -1: malformed. */
static int path_next_byte(http_text text, size_t *at)
{
    assert(*at < text.len);
    unsigned char b = (unsigned char)text.data[*at];
    int escaped = uri_escaped_byte(text, *at);
    *at += escaped < 0 ? 1 : 3;
    if (escaped >= 0) return escaped;
    return b == '%' || b == 0 ? -1 : b;
}

/* Decodes one byte of a query at text.data[*at] and moves *at behind it. */
static int query_next_byte(http_text text, size_t *at)
{
    assert(*at < text.len);
    unsigned char b = (unsigned char)text.data[*at];
    int escaped = uri_escaped_byte(text, *at);
    *at += escaped < 0 ? 1 : 3;
    return escaped >= 0 ? escaped : b == '+' ? ' ' : b;
}

bool uri_decode_path(const char *text, size_t len, char *out, size_t *out_len)
{
    size_t at = 0, n = 0;
    while (at < len) {
        int b = path_next_byte((http_text){text, len}, &at);
        if (b < 0) return false;
        out[n++] = (char)b;
    }
    assert(n <= len);
    out[n] = 0;
    *out_len = n;
    return true;
}

void uri_decode_query(const char *text, size_t len, char *out, size_t *out_len)
{
    size_t at = 0, n = 0;
    while (at < len) out[n++] = (char)query_next_byte((http_text){text, len}, &at);
    assert(n <= len);
    out[n] = 0;
    *out_len = n;
}

bool uri_valid(http_text text)
{
    size_t at = 0;
    while (at < text.len) {
        if (path_next_byte(text, &at) < 0) return false;
    }
    return true;
}

bool uri_path_equals(http_text text, const char *plain, size_t plain_len)
{
    size_t at = 0, n = 0;
    while (at < text.len) {
        int b = path_next_byte(text, &at);
        if (b < 0 || n == plain_len || (unsigned char)plain[n++] != b) return false;
    }
    return n == plain_len;
}

static bool query_equals(http_text text, const char *plain, size_t plain_len)
{
    size_t at = 0, n = 0;
    while (at < text.len) {
        int b = query_next_byte(text, &at);
        if (n == plain_len || (unsigned char)plain[n++] != b) return false;
    }
    return n == plain_len;
}

bool uri_query_next(http_text query, size_t *at, http_text *name, http_text *value)
{
    assert(*at <= query.len);
    while (*at < query.len && query.data[*at] == '&') (*at)++;
    if (*at == query.len) return false;
    const char *from = query.data + *at;
    const char *end = memchr(from, '&', query.len - *at);
    if (!end) end = query.data + query.len;
    const char *equal = memchr(from, '=', (size_t)(end - from));
    *name = (http_text){from, (size_t)((equal ? equal : end) - from)};
    *value = equal ? (http_text){equal + 1, (size_t)(end - equal - 1)} : (http_text){end, 0};
    *at = (size_t)(end - query.data);
    assert(*at <= query.len);
    return true;
}

bool uri_query(const char *query, size_t len, const char *name, char *value)
{
    http_text key, raw;
    size_t at = 0, name_len = strlen(name), value_len;
    while (uri_query_next((http_text){query, len}, &at, &key, &raw)) {
        if (!query_equals(key, name, name_len)) continue;
        uri_decode_query(raw.data, raw.len, value, &value_len);
        return true;
    }
    return false;
}
