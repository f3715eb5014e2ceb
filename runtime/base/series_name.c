#include "runtime/base/series_name.h"

#include <stdbool.h>
#include <string.h>

#include "runtime/base/utf8.h"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Copies the character that `text` begins with, whatever its length, or "?" for a control character, or a byte that is
 * no character. Returns how many bytes were taken; 0: `out` has no room for the character. */
static size_t name_copy_wide(char *out, size_t *at, const char *text, size_t len)
{
    size_t bytes = utf8_length((const uint8_t *)text, len);
    bool copied = bytes > 0 && !utf8_is_control((const uint8_t *)text, bytes);
    size_t needed = copied ? bytes : 1;
    if (needed > SERIES_NAME_BYTES_MAX - *at) return 0;
    memcpy(out + *at, copied ? text : "?", needed);
    *at += needed;
    return bytes > 0 ? bytes : 1;
}

static bool is_plain(char c) { return c >= 0x20 && c < 0x7f; }

static size_t name_of_text(char out[SERIES_NAME_BYTES_MAX], const char *text, bool masks)
{
    size_t at = 0;
    for (const char *c = text; *c && at < SERIES_NAME_BYTES_MAX;) {
        if (masks && is_digit(*c)) {
            if (c == text || !is_digit(c[-1])) out[at++] = '#';
            c++;
        } else if (is_plain(*c)) {
            out[at++] = *c++;
        } else {
            size_t taken = name_copy_wide(out, &at, c, strlen(c));
            if (taken == 0) break;
            c += taken;
        }
    }
    return at;
}

size_t series_name_of_step(char out[SERIES_NAME_BYTES_MAX], const char *id) { return name_of_text(out, id, true); }

size_t series_name_of_metric(char out[SERIES_NAME_BYTES_MAX], const char *metric)
{
    return name_of_text(out, metric, false);
}

size_t series_name_of_host(char out[SERIES_NAME_BYTES_MAX], const char *host, size_t len)
{
    size_t at = 0;
    for (size_t i = 0; i < len && at < SERIES_NAME_BYTES_MAX;) {
        if (is_plain(host[i])) {
            char c = host[i++];
            out[at++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
            continue;
        }
        size_t taken = name_copy_wide(out, &at, host + i, len - i);
        if (taken == 0) break;
        i += taken;
    }
    return at;
}
