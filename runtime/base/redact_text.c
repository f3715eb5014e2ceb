/* redact_text: what the keys of a redact name, found in texts that are no documents. */
#include <string.h>
#include <strings.h>

#include "http/uri.h"
#include "runtime/base/redact_core.h"

enum { PARAMETER_MAX = QUERY_NAME_MAX - 1 /* bytes of a name: what is longer is no parameter */ };

/* A text on its way to its copy. What is found at one place and holds for all behind it is kept: each byte is looked at
 * a few times, however many words there are. */
typedef struct copying {
    const redact *keys;
    const char *text, *end;
    size_t parameter_max;        /* bytes of a parameter's name that is hidden, if each is encoded; 0: none is */
    const char *name_end;        /* where a name ends that begins before it */
    const char *name_unreadable; /* the last '%' before name_end that encodes nothing; NULL: there is none */
    const char *value_end;       /* where a parameter's value ends that begins before it */
    const char *line_end;        /* where a line ends that begins before it */
    const char *hidden_end;      /* of what was found so far */
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

/* Whether so many backslashes stand there and one of the characters behind them. */
static bool escape_is_at(const char *at, const char *end, size_t backslashes, const char *characters)
{
    if ((size_t)(end - at) <= backslashes || !at[backslashes] || !strchr(characters, at[backslashes])) return false;
    for (size_t i = 0; i < backslashes; i++)
        if (at[i] != '\\') return false;
    return true;
}

static bool quote_is_at(const char *at, const char *end, size_t backslashes)
{
    return escape_is_at(at, end, backslashes, "\"");
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

/* JSON that is quoted has its ends of lines as escapes. */
static const char *skip_blanks(const char *at, const char *end, size_t depth)
{
    for (;;) {
        while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n')) at++;
        if (depth == 0 || !escape_is_at(at, end, (depth + 1) / 2, "ntr")) return at;
        at += (depth + 1) / 2 + 1;
    }
}

static const char *value_end_once(const char *at, const char *end, size_t depth)
{
    if (quote_is_at(at, end, depth)) return string_end(at + depth + 1, end, depth);
    if (*at == '{' || *at == '[') return nested_end(at, end, depth);
    while (at < end && !(*at && strchr(",}] \t\r\n\"\\", *at))) at++;
    return at;
}

/* What a colon stands behind is a name and no value, as of JSON that was cut before the value and goes on with other
 * JSON: that is hidden with its own value. */
static const char *value_end(const char *at, const char *end, size_t depth)
{
    for (;;) {
        const char *upto = value_end_once(at, end, depth);
        const char *colon = skip_blanks(upto, end, depth);
        if (colon == end || *colon != ':') return upto;
        at = skip_blanks(colon + 1, end, depth);
        if (at == end) return at;
    }
}

/* ---- Names ---- */

/* Reads four hexadecimal digits; -1: others stand there. */
static int code_read(const char *at, const char *end)
{
    static const char digits[] = "0123456789abcdef";
    int code = 0;
    if (end - at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        const char *digit = at[i] ? strchr(digits, at[i] >= 'A' && at[i] <= 'F' ? at[i] | 0x20 : at[i]) : NULL;
        if (!digit) return -1;
        code = code * 16 + (int)(digit - digits);
    }
    return code;
}

/* Writes the character, which is none of those that take two codes, as UTF-8. Returns its bytes. */
static size_t code_write(int code, char utf8[3])
{
    const size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
    static const int heads[] = {0, 0, 0xc0, 0xe0};
    for (size_t i = n; i-- > 1; code >>= 6) utf8[i] = (char)(0x80 | (code & 0x3f));
    utf8[0] = (char)(heads[n] | code);
    return n;
}

/* Reads the character of a name, which may be an escape. Returns what is behind it. */
static const char *name_read_character(const char *at, const char *end, size_t depth, char out[3], size_t *len)
{
    const size_t slashes = depth + 1;
    *len = 1;
    out[0] = *at;
    if (escape_is_at(at, end, slashes, "/")) {
        out[0] = '/';
        return at + slashes + 1;
    }
    int code = escape_is_at(at, end, slashes, "u") ? code_read(at + slashes + 1, end) : -1;
    if (code < 0) return at + 1;
    *len = code_write(code, out);
    return at + slashes + 5;
}

/* Behind the name, which begins at `at`, in a text whose quotes have `depth` backslashes; NULL: another one stands
 * there. Writers of JSON may have escaped what is not ASCII. */
static const char *key_read_name(const key *k, const char *at, const char *end, size_t depth)
{
    const char *name = k->member;
    if (!name) return NULL;
    while (*name && at < end) {
        char c[3];
        size_t len;
        at = name_read_character(at, end, depth, c, &len);
        if (k->kind == KEY_HEADER ? strncasecmp(name, c, len) : strncmp(name, c, len)) return NULL;
        name += len;
    }
    return *name ? NULL : at;
}

/* Whether a member begins at the quote whose value is hidden. */
static bool find_member(const copying *c, const char *quote, secret *out)
{
    size_t depth = backslashes_before(c->text, quote);
    for (size_t i = 0; i < c->keys->count; i++) {
        const char *at = key_read_name(&c->keys->keys[i], quote + 1, c->end, depth);
        if (!at || !quote_is_at(at, c->end, depth)) continue;
        at = skip_blanks(at + depth + 1, c->end, depth);
        if (at == c->end || *at != ':') continue;
        at = skip_blanks(at + 1, c->end, depth);
        if (at == c->end) continue;
        *out = (secret){at, value_end(at, c->end, depth), depth, true};
        return true;
    }
    return false;
}

static bool find_header(copying *c, const char *from, secret *out)
{
    for (size_t i = 0; i < c->keys->count; i++) {
        const key *k = &c->keys->keys[i];
        const size_t len = k->kind == KEY_HEADER ? k->name_len : 0;
        if (len == 0 || (size_t)(c->end - from) <= len || from[len] != ':') continue;
        if (strncasecmp(from, k->name, len) != 0) continue;
        const char *at = from + len + 1;
        while (at < c->end && *at == ' ') at++;
        if (c->line_end < at) c->line_end = at;
        while (c->line_end < c->end && *c->line_end != '\n' && *c->line_end != '\r') c->line_end++;
        *out = (secret){.from = at, .upto = c->line_end};
        return out->upto > at;
    }
    return false;
}

/* Whether a word may begin behind this character. */
static bool is_gap(char c)
{
    bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z', is_digit = c >= '0' && c <= '9';
    return !is_letter && !is_digit && c != '_' && c != '-' && c != '.' && c != '%' && c != '+';
}

/* Whether a word has this character; those that are not ASCII may also be around it. */
static bool is_of_word(char c) { return !is_gap(c) || ((unsigned char)c & 0x80) != 0; }

/* Finds where the name ends that begins at `from`, once for all words in it. */
static void find_name_end(copying *c, const char *from)
{
    const char *at = from;
    c->name_unreadable = NULL;
    while (at < c->end && (unsigned char)*at > ' ' && !strchr("=&?#;\"'<>", *at)) at++;
    c->name_end = at;
    for (const char *percent = from; (percent = memchr(percent, '%', (size_t)(at - percent))) != NULL; percent++) {
        const size_t len = at - percent < 3 ? (size_t)(at - percent) : 3;
        if (!uri_valid((http_text){percent, len})) c->name_unreadable = percent;
    }
}

/* Whether the name, which ends at the '=', is that of a parameter that is hidden. */
static bool name_is_hidden(const copying *c, const char *from)
{
    const size_t len = (size_t)(c->name_end - from);
    bool is_unreadable = c->name_unreadable && c->name_unreadable >= from;
    if (len == 0 || len > PARAMETER_MAX || (!is_unreadable && len > c->parameter_max)) return false;
    return redact_hides_parameter(c->keys, (http_text){from, len});
}

/* Whether a parameter's value ends at this character. A quote ends it unless the word goes on behind it, as in "it's".
 */
static bool is_value_end(const char *at, const char *end)
{
    if ((unsigned char)*at <= ' ' || strchr("&#<>", *at)) return true;
    return (*at == '"' || *at == '\'') && (at + 1 == end || !is_of_word(at[1]));
}

static bool find_parameter(copying *c, const char *from, secret *out)
{
    if (c->parameter_max == 0) return false;
    if (c->name_end <= from) find_name_end(c, from);
    if (c->name_end == c->end || *c->name_end != '=' || !name_is_hidden(c, from)) return false;
    const char *value = c->name_end + 1;
    if (c->value_end < value) c->value_end = value;
    while (c->value_end < c->end && !is_value_end(c->value_end, c->end)) c->value_end++;
    *out = (secret){.from = value, .upto = c->value_end};
    /* Backslashes before the quote are the quote's. */
    if (out->upto < c->end && *out->upto == '"') out->upto -= backslashes_before(value, out->upto);
    return out->upto > value;
}

/* Whether something that begins here is hidden beyond what is already. In what is hidden, members are not looked for:
 * the last quote of a value may be the first of another member, if the value was cut. */
static bool find_secret(copying *c, const char *at, secret *out)
{
    bool is_found = false;
    if (*at == '"')
        is_found = at + 1 >= c->hidden_end && find_member(c, at, out);
    else if (is_of_word(*at) && (at == c->text || is_gap(at[-1])))
        is_found = find_header(c, at, out) || find_parameter(c, at, out);
    return is_found && out->upto > c->hidden_end;
}

/* ---- The copy ---- */

/* Where the pieces of the copy go. */
typedef struct sink {
    redact_put *put;
    void *arg;
    token_scan tokens;
    http_text token; /* the next one that is not behind; len 0: there is none */
} sink;

static void sink_next_token(sink *to)
{
    if (!redact_next_token(&to->tokens, &to->token)) to->token.len = 0;
}

/* Shows what no key hides, but for tokens. */
static void sink_put_shown(sink *to, const char *from, const char *upto)
{
    for (; to->token.len > 0 && to->token.data < upto; sink_next_token(to)) {
        if (to->token.data < from) continue; /* it was hidden with what is around it */
        if (to->token.data > from) to->put(to->arg, from, (size_t)(to->token.data - from));
        to->put(to->arg, REDACTED, sizeof REDACTED - 1);
        from = to->token.data + to->token.len;
    }
    if (upto > from) to->put(to->arg, from, (size_t)(upto - from));
}

static void sink_put_quote(const sink *to, const secret *s)
{
    static const char quote[] = "\"", backslash[] = "\\";
    for (size_t i = 0; i < s->backslashes; i++) to->put(to->arg, backslash, 1);
    to->put(to->arg, quote, 1);
}

static void sink_put_hidden(const sink *to, const secret *s)
{
    if (s->is_json) sink_put_quote(to, s);
    to->put(to->arg, REDACTED, sizeof REDACTED - 1);
    if (s->is_json) sink_put_quote(to, s);
}

static copying copying_of(const redact *r, http_text text)
{
    const char *from = text.data;
    return (copying){.keys = r,
                     .text = from,
                     .end = from + text.len,
                     .parameter_max = redact_parameter_max(r),
                     .name_end = from,
                     .value_end = from,
                     .line_end = from,
                     .hidden_end = from};
}

static token_scan tokens_of(const redact *r, http_text text)
{
    const char *end = text.data + (r && r->hides_tokens ? text.len : 0);
    return (token_scan){.at = text.data, .end = end, .url_end = text.data};
}

void redact_text_put(const redact *r, http_text text, redact_put *put, void *arg)
{
    copying c = copying_of(r, text);
    sink to = {.put = put, .arg = arg, .tokens = tokens_of(r, text)};
    sink_next_token(&to);
    for (const char *at = c.text; r && r->count > 0 && at < c.end; at++) {
        secret found;
        if (!find_secret(&c, at, &found)) continue;
        bool is_new = found.from >= c.hidden_end; /* else more of the same is hidden */
        if (found.from > c.hidden_end) sink_put_shown(&to, c.hidden_end, found.from);
        if (is_new) sink_put_hidden(&to, &found);
        c.hidden_end = found.upto;
    }
    if (c.end > c.hidden_end) sink_put_shown(&to, c.hidden_end, c.end);
}

bool redact_hides_in_text(const redact *r, http_text text)
{
    copying c = copying_of(r, text);
    token_scan tokens = tokens_of(r, text);
    secret found;
    http_text token;
    if (redact_next_token(&tokens, &token)) return true;
    for (const char *at = c.text; r && r->count > 0 && at < c.end; at++)
        if (find_secret(&c, at, &found)) return true;
    return false;
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

bool redact_text_in(const redact *r, arena *a, http_text *text)
{
    if (!redact_hides_in_text(r, *text)) return true;
    const size_t len = redact_text(r, *text, NULL, 0);
    char *shown = arena_alloc(a, len + 1);
    if (!shown) return false;
    (void)redact_text(r, *text, shown, len + 1);
    *text = (http_text){shown, len};
    return true;
}
