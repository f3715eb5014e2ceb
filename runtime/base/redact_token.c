/* redact_token: the tokens in URLs of runs, http://HOST/_sw/runs/ID/signals/NAME?token=TOKEN, found in whatever text.
 */
#include <string.h>
#include <strings.h>

#include "runtime/base/redact_core.h"

enum { URL_MAX = 1024 /* bytes from "_sw" to a token: the name of a signal may be percent-encoded */ };

static const char own[] = "_sw", runs[] = "runs", parameter[] = "token";

bool redact_may_hide(const redact *r, const char *text, size_t len)
{
    if (!r || (r->count == 0 && !r->hides_tokens)) return false;
    return r->count > 0 || memmem(text, len, own, sizeof own - 1) != NULL;
}

/* Behind the character, which may be percent-encoded as `code`, or have a backslash before it; NULL: another one stands
 * there. */
static const char *pass(const char *at, const char *end, char c, const char *code)
{
    if (end - at >= 3 && strncasecmp(at, code, 3) == 0) return at + 3;
    if (end - at >= 2 && at[0] == '\\' && at[1] == c) return at + 2;
    return end > at && *at == c ? at + 1 : NULL;
}

static const char *pass_word(const char *at, const char *end, const char *word)
{
    size_t len = strlen(word);
    return at && (size_t)(end - at) >= len && memcmp(at, word, len) == 0 ? at + len : NULL;
}

/* Behind "_sw/runs/"; NULL: that does not stand there. */
static const char *pass_path(const char *at, const char *end)
{
    at = pass_word(at, end, own);
    at = at ? pass(at, end, '/', "%2f") : NULL;
    at = pass_word(at, end, runs);
    return at ? pass(at, end, '/', "%2f") : NULL;
}

static bool is_of_token(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c && strchr("-_.", c));
}

/* How many bytes of a token, or of what stands in its place in a copy, begin there. */
static size_t token_len(const char *at, const char *end)
{
    size_t len = 0;
    if (pass_word(at, end, REDACTED)) return sizeof REDACTED - 1;
    while (at + len < end && is_of_token(at[len])) len++;
    return len;
}

/* Finds the next token of the URL that is being read. */
static bool next_of_url(token_scan *s, http_text *token)
{
    for (; s->at < s->url_end && (unsigned char)*s->at > ' ' && !strchr("\"<>", *s->at); s->at++) {
        const char *value = pass_word(s->at, s->end, parameter);
        value = value ? pass(value, s->end, '=', "%3d") : NULL;
        if (!value) continue;
        *token = (http_text){value, token_len(value, s->end)};
        if (token->len == 0) continue;
        s->at = value + token->len;
        return true;
    }
    s->url_end = s->at;
    return false;
}

bool redact_next_token(token_scan *s, http_text *token)
{
    while (!next_of_url(s, token)) {
        const char *url = memmem(s->at, (size_t)(s->end - s->at), own, sizeof own - 1);
        if (!url) return false;
        const char *from = pass_path(url, s->end);
        s->at = from ? from : url + 1;
        s->url_end = !from ? s->at : s->end - from > URL_MAX ? from + URL_MAX : s->end;
    }
    return true;
}
