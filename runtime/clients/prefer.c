#include "runtime/clients/prefer.h"

#include <assert.h>
#include <string.h>

#include "http/http_text.h"
#include "runtime/clients/header_words.h"

static const char STOPS[] = " \t,;=";

static bool preference_is(const char *text, size_t len, const char *name)
{
    return text_equals_any_case(text, len, name, strlen(name));
}

/* Reads delta-seconds, also in quotes; more than PREFER_WAIT_MAX_S count as that. -1: they are none. */
static int64_t delta_seconds(const char *text, size_t len)
{
    int64_t n = 0;
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        text++;
        len -= 2;
    }
    if (len == 0) return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return -1;
        if (n < PREFER_WAIT_MAX_S) n = n * 10 + (text[i] - '0');
    }
    return n < PREFER_WAIT_MAX_S ? n : PREFER_WAIT_MAX_S;
}

static void prefer_take(prefer *p, const char *name, size_t name_len, const char *value, size_t value_len)
{
    if (preference_is(name, name_len, "respond-async")) p->respond_async = true;
    if (preference_is(name, name_len, "wait") && p->wait_ms < 0) {
        int64_t n = delta_seconds(value, value_len);
        assert(n <= PREFER_WAIT_MAX_S);
        if (n >= 0) p->wait_ms = n * 1000;
    }
}

void prefer_read(prefer *p, const char *value)
{
    const char *at = value;
    while (*(at = skip_space(at))) {
        const char *name = at, *text = at;
        at = word_end(at, STOPS);
        size_t name_len = (size_t)(at - name), text_len = 0;
        at = skip_space(at);
        if (*at == '=') {
            text = skip_space(at + 1);
            at = word_end(text, STOPS);
            text_len = (size_t)(at - text);
        }
        prefer_take(p, name, name_len, text, text_len);
        /* Parameters of a preference mean nothing to us; they may hold commas in quotes. */
        while (*at && *at != ',') at = *at == '"' ? word_end(at, STOPS) : at + 1;
        if (*at == ',') at++;
    }
}
