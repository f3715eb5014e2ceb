#include "http/server/chunked.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "http/hex_digit.h"
#include "http/rfc_token.h"

/*   SIZE --;--> EXTENSION
 *     |             |
 *     CR------------CR--> SIZE_LF --size > 0--> DATA --> DATA_CR --> DATA_LF --> SIZE
 *                            |
 *                         size = 0
 *                            v
 *                      TRAILER_START --CR--> END_LF --> END
 *                        |      ^
 *                        v      |
 *                     TRAILER --CR--> TRAILER_LF */
enum chunked_state {
    STATE_SIZE,
    STATE_EXTENSION,
    STATE_SIZE_LF,
    STATE_DATA,
    STATE_DATA_CR,
    STATE_DATA_LF,
    STATE_TRAILER_START,
    STATE_TRAILER,
    STATE_TRAILER_LF,
    STATE_END_LF,
    STATE_END
};

enum { SIZE_DIGITS_MAX = 15 }; /* 60 bits: never overflows, and no honest sender pads with zeros */

_Static_assert(SIZE_DIGITS_MAX * 4 < 64, "a chunk's size fits chunk_left");

void chunked_init(chunked *c, uint64_t bytes_max)
{
    memset(c, 0, sizeof(*c));
    c->bytes_max = bytes_max;
    c->state = STATE_SIZE;
}

static chunked_result chunked_take_size(chunked *c, unsigned char b)
{
    int digit = hex_digit_value((char)b);
    if (digit >= 0) {
        if (c->digits++ == SIZE_DIGITS_MAX) return CHUNKED_BAD;
        c->chunk_left = c->chunk_left << 4 | (unsigned)digit;
        return CHUNKED_MORE;
    }
    if (c->digits == 0) return CHUNKED_BAD;
    if (b == '\r') {
        c->state = STATE_SIZE_LF;
        return CHUNKED_MORE;
    }
    if (b != ';') return CHUNKED_BAD;
    c->state = STATE_EXTENSION;
    return CHUNKED_MORE;
}

static chunked_result chunked_take_size_end(chunked *c, unsigned char b)
{
    if (b != '\n') return CHUNKED_BAD;
    assert(c->digits > 0);
    assert(c->total <= c->bytes_max);
    if (c->chunk_left > c->bytes_max - c->total) return CHUNKED_TOO_LARGE;
    c->digits = 0;
    c->state = c->chunk_left > 0 ? STATE_DATA : STATE_TRAILER_START;
    return CHUNKED_MORE;
}

/* Takes a byte of an extension or of a trailer line: all that a field may hold, up to CR. */
static chunked_result chunked_take_extra(chunked *c, unsigned char b, enum chunked_state at_cr)
{
    if (b == '\r') {
        c->state = (uint8_t)at_cr;
        return CHUNKED_MORE;
    }
    if (!rfc_field_byte(b)) return CHUNKED_BAD;
    assert(c->extra <= CHUNKED_EXTRA_BYTES_MAX);
    return ++c->extra > CHUNKED_EXTRA_BYTES_MAX ? CHUNKED_TOO_MUCH : CHUNKED_MORE;
}

static chunked_result chunked_take_trailer_start(chunked *c, unsigned char b)
{
    if (b == '\r') {
        c->state = STATE_END_LF;
        return CHUNKED_MORE;
    }
    if (!rfc_token_byte(b)) return CHUNKED_BAD;
    c->state = STATE_TRAILER;
    return chunked_take_extra(c, b, STATE_TRAILER_LF);
}

static chunked_result chunked_take_fixed(chunked *c, unsigned char b, unsigned char expected, enum chunked_state next)
{
    if (b != expected) return CHUNKED_BAD;
    c->state = (uint8_t)next;
    return CHUNKED_MORE;
}

static chunked_result chunked_take_byte(chunked *c, unsigned char b)
{
    switch ((enum chunked_state)c->state) {
    case STATE_SIZE:
        return chunked_take_size(c, b);
    case STATE_EXTENSION:
        return chunked_take_extra(c, b, STATE_SIZE_LF);
    case STATE_SIZE_LF:
        return chunked_take_size_end(c, b);
    case STATE_DATA_CR:
        return chunked_take_fixed(c, b, '\r', STATE_DATA_LF);
    case STATE_DATA_LF:
        return chunked_take_fixed(c, b, '\n', STATE_SIZE);
    case STATE_TRAILER_START:
        return chunked_take_trailer_start(c, b);
    case STATE_TRAILER:
        return chunked_take_extra(c, b, STATE_TRAILER_LF);
    case STATE_TRAILER_LF:
        return chunked_take_fixed(c, b, '\n', STATE_TRAILER_START);
    case STATE_END_LF:
        return chunked_take_fixed(c, b, '\n', STATE_END) == CHUNKED_BAD ? CHUNKED_BAD : CHUNKED_DONE;
    case STATE_DATA:
    case STATE_END:
        break;
    }
    assert(!"chunked: bytes for a state that takes none");
    return CHUNKED_BAD;
}

chunked_result chunked_decode(chunked *c, http_text in, size_t *taken, char *out, size_t *out_len)
{
    chunked_result result = CHUNKED_MORE;
    size_t at = 0, written = 0;
    assert(c->state != STATE_END);
    while (at < in.len && result == CHUNKED_MORE) {
        if (c->state != STATE_DATA) {
            result = chunked_take_byte(c, (unsigned char)in.data[at++]);
            continue;
        }
        assert(c->chunk_left > 0);
        size_t n = in.len - at < c->chunk_left ? in.len - at : (size_t)c->chunk_left;
        memmove(out + written, in.data + at, n);
        at += n;
        written += n;
        c->chunk_left -= n;
        c->total += n;
        if (c->chunk_left == 0) c->state = STATE_DATA_CR;
    }
    assert(c->total <= c->bytes_max);
    assert(written <= at); /* so `out` may lie where `in` does */
    *taken = at;
    *out_len = written;
    return result;
}
