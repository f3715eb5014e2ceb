/* redact_text: what the keys of a redact name, found in texts that are no documents. */
#include <string.h>
#include <strings.h>

#include "runtime/base/redact_core.h"

enum { PARAMETER_MAX = QUERY_NAME_MAX - 1 /* bytes of a name: what is longer is no parameter */ };

/* A text on its way to its copy. */
typedef struct copying {
    const redact *keys;
    const char *text, *end;
    redact_put *put;
    void *arg;
} copying;

/* A value that is to be hidden. */
typedef struct secret {
    const char *from, *upto;
    size_t backslashes; /* before each quote: JSON that is quoted in JSON has them */
    bool is_json;
} secret;

/* ---- Values of JSON ---- */

static size_t backslashes_before(const char *from, const char *at)
{
    size_t n = 0;
    while (at > from && at[-1] == '\\') n++, at--;
    return n;
}

static bool quote_is_at(const char *at, const char *end, size_t backslashes)
{
    if ((size_t)(end - at) <= backslashes || at[backslashes] != '"') return false;
    for (size_t i = 0; i < backslashes; i++)
        if (at[i] != '\\') return false;
    return true;
}

/* Whether a quote with so many backslashes before it ends a string whose own quotes have `depth` of them: each level of
 * quoting has made one more of one, and has doubled the others. */
static bool quote_closes(size_t backslashes, size_t depth)
{
    for (; depth > 0; depth /= 2) {
        if (backslashes % 2 == 0) return true; /* the text around it ends */
        backslashes /= 2;
    }
    return backslashes % 2 == 0;
}

/* Behind the quote that ends the string, which begins at `at`. */
static const char *string_end(const char *at, const char *end, size_t depth)
{
    const char *quote = at;
    while ((quote = memchr(quote, '"', (size_t)(end - quote))) != NULL) {
        if (quote_closes(backslashes_before(at, quote), depth)) return quote + 1;
        quote++;
    }
    return end;
}

static const char *nested_end(const char *at, const char *end, size_t depth)
{
    size_t open = 0;
    while (at < end) {
        const char c = *at++;
        if (c == '"') at = string_end(at, end, depth);
        if (c == '{' || c == '[') open++;
        if ((c == '}' || c == ']') && --open == 0) return at;
    }
    return end;
}

static const char *value_end(const char *at, const char *end, size_t depth)
{
    if (quote_is_at(at, end, depth)) return string_end(at + depth + 1, end, depth);
    if (*at == '{' || *at == '[') return nested_end(at, end, depth);
    while (at < end && !strchr(",}] \t\r\n\"\\", *at)) at++;
    return at;
}

/* ---- Names ---- */

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n')) at++;
    return at;
}

/* Whether the step of a pointer may lead into an array: digits alone. */
static bool is_index(const char *step) { return *step && step[strspn(step, "0123456789")] == 0; }

/* The name that a member has which the key hides; NULL: the key names none. */
static const char *key_member(const key *k)
{
    size_t at = k->depth;
    if (k->kind == KEY_NAME || k->kind == KEY_HEADER) return k->name;
    if (k->kind != KEY_POINTER) return NULL;
    while (at > 0 && (strcmp(k->steps[at - 1], "*") == 0 || is_index(k->steps[at - 1]))) at--;
    return at > 0 ? k->steps[at - 1] : NULL;
}

/* Behind the name, which begins at `at`; NULL: another one stands there. */
static const char *key_read_name(const key *k, const char *at, const char *end)
{
    const char *name = key_member(k);
    size_t len = name ? strlen(name) : 0;
    if (len == 0 || (size_t)(end - at) < len) return NULL;
    int differs = k->kind == KEY_HEADER ? strncasecmp(at, name, len) : memcmp(at, name, len);
    return differs ? NULL : at + len;
}

/* Whether a member begins at the quote whose value is hidden. */
static bool find_member(const copying *c, const char *quote, secret *out)
{
    size_t depth = backslashes_before(c->text, quote);
    for (size_t i = 0; i < c->keys->count; i++) {
        const char *at = key_read_name(&c->keys->keys[i], quote + 1, c->end);
        if (!at || !quote_is_at(at, c->end, depth)) continue;
        at = skip_blanks(at + depth + 1, c->end);
        if (at == c->end || *at != ':') continue;
        at = skip_blanks(at + 1, c->end);
        if (at == c->end) continue;
        *out = (secret){at, value_end(at, c->end, depth), depth, true};
        return true;
    }
    return false;
}

static bool find_header(const copying *c, const char *from, secret *out)
{
    for (size_t i = 0; i < c->keys->count; i++) {
        const key *k = &c->keys->keys[i];
        const char *at = k->kind == KEY_HEADER ? key_read_name(k, from, c->end) : NULL;
        if (!at || at == c->end || *at != ':') continue;
        at++;
        while (at < c->end && *at == ' ') at++;
        const char *upto = at;
        while (upto < c->end && *upto != '\n' && *upto != '\r') upto++;
        *out = (secret){.from = at, .upto = upto};
        return upto > at;
    }
    return false;
}

static const char *parameter_end(const char *at, const char *end, const char *stops)
{
    const char *most = end - at > PARAMETER_MAX ? at + PARAMETER_MAX : end;
    while (at < most && (unsigned char)*at > ' ' && !strchr(stops, *at)) at++;
    return at;
}

static bool find_parameter(const copying *c, const char *from, secret *out)
{
    const char *equals = parameter_end(from, c->end, "=&?#;\"'<>");
    bool is_one = equals > from && equals < c->end && *equals == '=';
    if (!is_one || !redact_hides_parameter(c->keys, (http_text){from, (size_t)(equals - from)})) return false;
    const char *upto = equals + 1;
    while (upto < c->end && (unsigned char)*upto > ' ' && !strchr("&#\"'<>", *upto)) upto++;
    *out = (secret){.from = equals + 1, .upto = upto};
    return upto > out->from;
}

/* Whether a word may begin behind this character. */
static bool is_gap(char c)
{
    return !((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || strchr("_-.%+", c));
}

static bool find_secret(const copying *c, const char *at, bool has_query, secret *out)
{
    bool may_begin = at == c->text || is_gap(at[-1]);
    if (*at == '"' && find_member(c, at, out)) return true;
    if (!may_begin || is_gap(*at)) return false;
    return find_header(c, at, out) || (has_query && find_parameter(c, at, out));
}

/* ---- The copy ---- */

static void copy_put_quote(const copying *c, const secret *s)
{
    static const char quote[] = "\"", backslash[] = "\\";
    for (size_t i = 0; i < s->backslashes; i++) c->put(c->arg, backslash, 1);
    c->put(c->arg, quote, 1);
}

static void copy_put_hidden(const copying *c, const secret *s)
{
    if (s->is_json) copy_put_quote(c, s);
    c->put(c->arg, REDACTED, sizeof REDACTED - 1);
    if (s->is_json) copy_put_quote(c, s);
}

void redact_text_put(const redact *r, http_text text, redact_put *put, void *arg)
{
    const copying c = {.keys = r, .text = text.data, .end = text.data + text.len, .put = put, .arg = arg};
    const char *shown = text.data;
    bool has_query = redact_has_query(r);
    for (const char *at = text.data; r && at < c.end;) {
        secret found;
        if (!find_secret(&c, at, has_query, &found)) {
            at++;
            continue;
        }
        if (found.from > shown) put(arg, shown, (size_t)(found.from - shown));
        copy_put_hidden(&c, &found);
        shown = at = found.upto;
    }
    if (c.end > shown) put(arg, shown, (size_t)(c.end - shown));
}

/* A copy with a bound. */
typedef struct copy {
    char *to;
    size_t size, len; /* len: of the whole copy, which may be longer than what fits */
} copy;

static void copy_put(void *arg, const char *data, size_t len)
{
    copy *c = arg;
    size_t room = c->len + 1 < c->size ? c->size - 1 - c->len : 0;
    if (room > 0) memcpy(c->to + c->len, data, len < room ? len : room);
    c->len += len;
}

size_t redact_text(const redact *r, http_text text, char *to, size_t size)
{
    copy c = {.to = to, .size = size};
    redact_text_put(r, text, copy_put, &c);
    if (size > 0) to[c.len < size ? c.len : size - 1] = 0;
    return c.len;
}
