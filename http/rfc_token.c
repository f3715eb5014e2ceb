#include "http/rfc_token.h"

#include <stdint.h>
#include <string.h>

/* "!#$%&'*+-.^_`|~", digits and letters */
const unsigned char rfc_token_table[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
    ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
    ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

/* Whether any of eight bytes is a control, tab among them, or 0x7f: "Determine if a word has a byte less than n" of
 * Sean Anderson's Bit Twiddling Hacks. Bytes from 0x80 on are neither. */
static bool word_has_control(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones * 0x80;
    const uint64_t below = (word - ones * 0x20) & ~word, deletes = word ^ ones * 0x7f;
    return ((below | ((deletes - ones) & ~deletes)) & highs) != 0;
}

bool is_rfc_field_value(const char *text, size_t len)
{
    size_t i = 0;
    while (i < len) {
        uint64_t word;
        if (len - i >= sizeof word) {
            memcpy(&word, text + i, sizeof word);
            if (!word_has_control(word)) {
                i += sizeof word;
                continue;
            }
        }
        if (!rfc_field_byte((unsigned char)text[i++])) return false;
    }
    return true;
}
