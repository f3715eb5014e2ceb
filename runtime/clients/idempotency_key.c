#include "runtime/clients/idempotency_key.h"

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "http/rfc_token.h"

enum { DIGITS_MAX = 15, DIGITS_BEFORE_POINT = 12, DIGITS_BEHIND_POINT = 3 };

_Static_assert(IDEMPOTENCY_KEY_MAX == 255, "LONGER says so");

static const char LONGER[] = "the Idempotency-Key is longer than 255 bytes";
static const char EMPTY[] = "the Idempotency-Key is empty";
static const char STRANGE[] = "the Idempotency-Key holds a character that is not printable ASCII";
static const char SEVERAL[] = "there is more than one Idempotency-Key; one with a comma in it has to be in quotes";

/* What is left to read. */
typedef struct input {
    const char *at, *end;
} input;

static bool input_next_is(const input *in, char c)
{
    assert(in->at <= in->end);
    return in->at < in->end && *in->at == c;
}

static bool input_take(input *in, char c)
{
    bool is = input_next_is(in, c);
    if (is) in->at++;
    return is;
}

static bool is_printable(char c) { return c >= 0x20 && c < 0x7f; }

static const char *key_add(idempotency_key *out, char c)
{
    if (!is_printable(c)) return STRANGE;
    assert(out->len <= IDEMPOTENCY_KEY_MAX);
    if (out->len == IDEMPOTENCY_KEY_MAX) return LONGER;
    out->text[out->len++] = c;
    return NULL;
}

/* ---- Parameters (RFC 9651, 4.2.3.2): only their form is checked ---- */

static bool skip_string(input *in)
{
    while (in->at < in->end && *in->at != '"') {
        if (!is_printable(*in->at)) return false;
        if (input_take(in, '\\') && !input_next_is(in, '"') && !input_next_is(in, '\\')) return false;
        in->at++;
    }
    return input_take(in, '"');
}

/* Does not check that the bytes are UTF-8: nobody reads them. */
static bool skip_display_string(input *in)
{
    static const char hex[] = "0123456789abcdef";
    if (!input_take(in, '"')) return false;
    while (in->at < in->end && *in->at != '"') {
        if (!is_printable(*in->at)) return false;
        if (!input_take(in, '%')) {
            in->at++;
            continue;
        }
        for (int i = 0; i < 2; i++, in->at++)
            if (in->at == in->end || !memchr(hex, *in->at, sizeof hex - 1)) return false;
    }
    return input_take(in, '"');
}

static bool skip_bytes(input *in)
{
    while (in->at < in->end && (isalnum((unsigned char)*in->at) || (*in->at && strchr("+/=", *in->at)))) in->at++;
    return input_take(in, ':');
}

static size_t skip_digits(input *in)
{
    const char *from = in->at;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9') in->at++;
    return (size_t)(in->at - from);
}

static bool skip_number(input *in, bool may_have_point)
{
    (void)input_take(in, '-');
    size_t whole = skip_digits(in);
    if (whole == 0 || whole > DIGITS_MAX) return false;
    if (!may_have_point || !input_take(in, '.')) return true;
    size_t part = skip_digits(in);
    return whole <= DIGITS_BEFORE_POINT && part > 0 && part <= DIGITS_BEHIND_POINT;
}

static bool skip_token(input *in)
{
    if (in->at == in->end || (!isalpha((unsigned char)*in->at) && *in->at != '*')) return false;
    while (in->at < in->end && (rfc_token_byte((unsigned char)*in->at) || *in->at == ':' || *in->at == '/')) in->at++;
    return true;
}

static bool skip_item(input *in)
{
    if (input_take(in, '"')) return skip_string(in);
    if (input_take(in, '%')) return skip_display_string(in);
    if (input_take(in, ':')) return skip_bytes(in);
    if (input_take(in, '@')) return skip_number(in, false);
    if (input_take(in, '?')) return input_take(in, '0') || input_take(in, '1');
    bool is_number = input_next_is(in, '-') || (in->at < in->end && isdigit((unsigned char)*in->at));
    return is_number ? skip_number(in, true) : skip_token(in);
}

static bool parameter_name_begins(char c) { return (c >= 'a' && c <= 'z') || c == '*'; }
static bool parameter_name_goes_on(char c)
{
    return parameter_name_begins(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

static bool skip_parameter(input *in)
{
    while (input_take(in, ' ')) continue;
    if (in->at == in->end || !parameter_name_begins(*in->at)) return false;
    while (in->at < in->end && parameter_name_goes_on(*in->at)) in->at++;
    return !input_take(in, '=') || skip_item(in);
}

/* ---- The key ---- */

static const char *key_read_quoted(idempotency_key *out, input *in)
{
    const char *wrong = NULL;
    while (!wrong && in->at < in->end && *in->at != '"') {
        if (input_take(in, '\\') && !input_next_is(in, '"') && !input_next_is(in, '\\'))
            return "in a quoted Idempotency-Key a backslash stands only before a quote or another backslash";
        wrong = key_add(out, *in->at++);
    }
    if (wrong) return wrong;
    if (!input_take(in, '"')) return "the Idempotency-Key has no closing quote";
    while (input_take(in, ';'))
        if (!skip_parameter(in)) return "a parameter behind the Idempotency-Key is not of the form ;name=value";
    while (input_take(in, ' ')) continue;
    if (input_next_is(in, ',')) return SEVERAL;
    return in->at < in->end ? "behind a quoted Idempotency-Key there may only be parameters, ;name=value" : NULL;
}

/* Refuses a comma, by which a proxy joins two lines, and a quote, which says that a quoted key was meant. */
static const char *key_read_bare(idempotency_key *out, input *in)
{
    const char *wrong = NULL;
    while (!wrong && in->at < in->end) {
        if (input_next_is(in, ',')) return SEVERAL;
        if (input_next_is(in, '"')) return "an Idempotency-Key with a quote in it has to be in quotes itself";
        wrong = key_add(out, *in->at++);
    }
    return wrong;
}

const char *idempotency_key_read(idempotency_key *out, const char *value, size_t len)
{
    input in = {value, value + len};
    out->len = 0;
    assert(value || len == 0);
    const char *wrong = input_take(&in, '"') ? key_read_quoted(out, &in) : key_read_bare(out, &in);
    out->text[out->len] = 0;
    return wrong ? wrong : out->len == 0 ? EMPTY : NULL;
}
