#include "runtime/trace/trace_context.h"

#include <assert.h>
#include <string.h>

enum {
    KEY_MAX = 256,     /* bytes of a key of tracestate */
    VALUE_MAX = 256,   /* bytes of a value of tracestate */
    MEMBER_LONG = 128, /* bytes of a member that is left out before others */
    VERSION_UNKNOWN = 0xff
};

static const char hex_digits[] = "0123456789abcdef";

/* ---- traceparent ---- */

/* Reads `bytes` bytes of lower-case hexadecimal digits, the only ones that are allowed. False: another character. */
static bool hex_read(const char *text, size_t bytes, uint8_t *out)
{
    for (size_t i = 0; i < bytes * 2; i++) {
        const char *digit = text[i] ? strchr(hex_digits, text[i]) : NULL;
        if (!digit) return false;
        out[i / 2] = (uint8_t)(out[i / 2] << 4 | (digit - hex_digits));
    }
    return true;
}

static void hex_write(const uint8_t *bytes, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = hex_digits[bytes[i] >> 4];
        out[2 * i + 1] = hex_digits[bytes[i] & 15];
    }
}

static uint64_t span_of(const uint8_t bytes[8])
{
    uint64_t span = 0;
    for (int i = 0; i < 8; i++) span = span << 8 | bytes[i];
    return span;
}

static void span_put(uint64_t span, uint8_t out[8])
{
    for (int i = 0; i < 8; i++) out[i] = (uint8_t)(span >> (56 - 8 * i));
}

bool trace_parent_read(const char *text, size_t len, trace_parent *out)
{
    static const uint8_t none[TRACE_ID_BYTES];
    uint8_t version = 0, span[8] = {0}, flags = 0;
    if (len < TRACE_PARENT_TEXT || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
    *out = (trace_parent){.span = 0};
    if (!hex_read(text, 1, &version) || !hex_read(text + 3, TRACE_ID_BYTES, out->trace) ||
        !hex_read(text + 36, 8, span) || !hex_read(text + 53, 1, &flags))
        return false;
    if (version == VERSION_UNKNOWN || (version == 0 && len > TRACE_PARENT_TEXT)) return false;
    if (len > TRACE_PARENT_TEXT && text[TRACE_PARENT_TEXT] != '-') return false;
    out->span = span_of(span);
    out->flags = flags;
    return out->span != 0 && memcmp(out->trace, none, sizeof none) != 0;
}

void trace_id_write(const uint8_t id[TRACE_ID_BYTES], char out[TRACE_ID_TEXT + 1])
{
    hex_write(id, TRACE_ID_BYTES, out);
    out[TRACE_ID_TEXT] = 0;
}

void trace_span_write(uint64_t span, char out[17])
{
    uint8_t bytes[8];
    span_put(span, bytes);
    hex_write(bytes, sizeof bytes, out);
    out[16] = 0;
}

void trace_parent_write(const trace_parent *p, char out[TRACE_PARENT_TEXT + 1])
{
    assert(p->span != 0);
    memcpy(out, "00-", 3);
    trace_id_write(p->trace, out + 3);
    out[35] = '-';
    trace_span_write(p->span, out + 36);
    out[52] = '-';
    hex_write(&p->flags, 1, out + 53);
    out[TRACE_PARENT_TEXT] = 0;
}

/* ---- Lists of members ---- */

typedef struct piece {
    const char *data;
    size_t len;
} piece;

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static piece piece_trim(piece p)
{
    while (p.len > 0 && is_blank(p.data[0])) p = (piece){p.data + 1, p.len - 1};
    while (p.len > 0 && is_blank(p.data[p.len - 1])) p.len--;
    return p;
}

/* Takes the next piece before `separator` off the rest. False: there is none. */
static bool piece_next(piece *rest, char separator, piece *out)
{
    if (!rest->data) return false;
    const char *end = memchr(rest->data, separator, rest->len);
    size_t len = end ? (size_t)(end - rest->data) : rest->len;
    *out = piece_trim((piece){rest->data, len});
    *rest = end ? (piece){end + 1, rest->len - len - 1} : (piece){NULL, 0};
    return true;
}

/* Splits at the first '='. False: there is none. */
static bool piece_split(piece p, piece *key, piece *value)
{
    const char *at = p.len > 0 ? memchr(p.data, '=', p.len) : NULL;
    if (!at) return false;
    *key = (piece){p.data, (size_t)(at - p.data)};
    *value = (piece){at + 1, p.len - key->len - 1};
    return true;
}

static bool is_between(char c, char least, char most) { return c >= least && c <= most; }

static bool is_letter_or_digit(char c) { return is_between(c, 'a', 'z') || is_between(c, '0', '9'); }

/* ---- tracestate ---- */

static bool state_key_is_good(piece key)
{
    if (key.len == 0 || key.len > KEY_MAX || !is_letter_or_digit(key.data[0])) return false;
    for (size_t i = 0; i < key.len; i++)
        if (!is_letter_or_digit(key.data[i]) && !memchr("_-*/@", key.data[i], 5)) return false;
    return true;
}

/* The last character is no blank, since the member was trimmed. */
static bool state_value_is_good(piece value)
{
    if (value.len == 0 || value.len > VALUE_MAX) return false;
    for (size_t i = 0; i < value.len; i++)
        if (!is_between(value.data[i], ' ', '~') || value.data[i] == ',' || value.data[i] == '=') return false;
    return true;
}

static bool state_has_key(const trace_state *s, piece key)
{
    piece rest = {s->len > 0 ? s->text : NULL, s->len}, member, known, value;
    while (piece_next(&rest, ',', &member))
        if (piece_split(member, &known, &value) && known.len == key.len && memcmp(known.data, key.data, key.len) == 0)
            return true;
    return false;
}

static void state_append(trace_state *s, piece member)
{
    size_t comma = s->len > 0;
    if (s->is_cut) return;
    if (s->len + comma + member.len > TRACE_STATE_MAX) {
        s->is_cut = member.len <= MEMBER_LONG;
        return;
    }
    if (comma) s->text[s->len++] = ',';
    memcpy(s->text + s->len, member.data, member.len);
    s->len += member.len;
    s->text[s->len] = 0;
}

static bool state_add_member(trace_state *s, piece member)
{
    piece key, value;
    if (member.len == 0) return true; /* empty members are allowed, and mean nothing */
    if (!piece_split(member, &key, &value) || !state_key_is_good(key) || !state_value_is_good(value)) return false;
    if (++s->members > TRACE_STATE_MEMBERS_MAX || state_has_key(s, key)) return false;
    state_append(s, member);
    return true;
}

bool trace_state_add(trace_state *s, const char *value, size_t len)
{
    piece rest = {value, len}, member;
    while (!s->is_bad && piece_next(&rest, ',', &member)) s->is_bad = !state_add_member(s, member);
    if (s->is_bad) {
        s->len = 0;
        s->text[0] = 0;
    }
    assert(s->len <= TRACE_STATE_MAX);
    return !s->is_bad;
}

/* ---- baggage ---- */

/* A token of RFC 9110, 5.6.2. */
static bool baggage_key_is_good(piece key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.data[i];
        bool plain = is_letter_or_digit(c) || is_between(c, 'A', 'Z') || memchr("!#$%&'*+-.^_`|~", c, 15);
        if (!plain) return false;
    }
    return key.len > 0;
}

static bool baggage_value_is_good(piece value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!is_between(value.data[i], '!', '~') || memchr("\",;\\", value.data[i], 4)) return false;
    return true;
}

/* A member is key=value, a property behind a semicolon may have a key alone; blanks around both are allowed. */
static bool baggage_part_is_good(piece part, bool is_property)
{
    piece key = part, value = {"", 0};
    if (!piece_split(part, &key, &value) && !is_property) return false;
    return baggage_key_is_good(piece_trim(key)) && baggage_value_is_good(piece_trim(value));
}

static bool baggage_member_is_good(piece member)
{
    piece part;
    if (!piece_next(&member, ';', &part) || !baggage_part_is_good(part, false)) return false;
    while (piece_next(&member, ';', &part))
        if (!baggage_part_is_good(part, true)) return false;
    return true;
}

bool trace_baggage_is_good(const char *value, size_t len, unsigned *members)
{
    piece rest = {value, len}, member;
    if (len > TRACE_BAGGAGE_MAX) return false;
    while (piece_next(&rest, ',', &member)) {
        if (++*members > TRACE_BAGGAGE_MEMBERS_MAX || !baggage_member_is_good(member)) return false;
    }
    return true;
}
