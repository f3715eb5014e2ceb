#include "apps/research/prompt.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Half tokens: three bytes of ASCII are one token, any other character one and a half. */
enum { HALVES_OF_ASCII = 2, ASCII_BYTES = 3, HALVES_OF_OTHER = 3 };

/* Adds the byte to the counts. */
static void tokens_count_byte(unsigned char byte, int64_t *ascii, int64_t *others)
{
    *ascii += byte < 0x80;
    *others += byte >= 0xC0; /* a character's first byte */
}

static int64_t tokens_of_counts(int64_t ascii, int64_t others)
{
    return ((ascii + ASCII_BYTES - 1) / ASCII_BYTES * HALVES_OF_ASCII + others * HALVES_OF_OTHER + 1) / 2;
}

int64_t prompt_tokens(const char *words, size_t len)
{
    int64_t ascii = 0, others = 0;
    for (size_t i = 0; i < len; i++) tokens_count_byte((unsigned char)words[i], &ascii, &others);
    return tokens_of_counts(ascii, others);
}

sw_value prompt_cut(sw_ctx *c, sw_value words, int64_t tokens)
{
    assert(sw_type(words) == SW_STRING);
    const char *data = sw_cstr(c, words);
    int64_t ascii = 0, others = 0;
    for (size_t i = 0; i < sw_len(words); i++) {
        tokens_count_byte((unsigned char)data[i], &ascii, &others);
        if (tokens_of_counts(ascii, others) > tokens) return sw_strn(c, data, i);
    }
    return words;
}

prompt prompt_new(sw_ctx *c, int64_t tokens)
{
    assert(tokens > 0);
    prompt p = {.c = c, .left = tokens};
    return p;
}

static void prompt_add(prompt *p, const char *words, size_t len)
{
    sw_text_add_bytes(p->c, &p->text, words, len);
    p->left -= prompt_tokens(words, len);
}

void prompt_say(prompt *p, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    char *said = sw_alloc(p->c, (size_t)len + 1);
    (void)vsnprintf(said, (size_t)len + 1, format, again);
    va_end(again);
    prompt_add(p, said, (size_t)len);
}

void prompt_line(prompt *p, const char *label, const char *value)
{
    sw_value whole = sw_str(p->c, value), shown = prompt_cut(p->c, whole, p->left > 0 ? p->left / 3 : 0);
    const char *rest = sw_len(shown) < sw_len(whole) ? " ... (cut)" : "";
    char *line = sw_printf(p->c, "%s: %s%s\n", label, sw_cstr(p->c, shown), rest);
    for (char *at = line; at[0] && at[1]; at++)
        if ((unsigned char)*at < ' ') *at = ' ';
    prompt_add(p, line, strlen(line));
}

void prompt_open(prompt *p, const char *tag) { prompt_say(p, "<%s>\n", tag); }

void prompt_close(prompt *p, const char *tag) { prompt_say(p, "</%s>\n", tag); }

static sw_text prompt_line_of(sw_ctx *c, sw_value value)
{
    sw_bytes json = sw_json(c, value);
    sw_text line = {0};
    for (size_t i = 0; i < json.len;) {
        const char *open = memchr(json.data + i, '<', json.len - i);
        size_t plain = open ? (size_t)(open - json.data) - i : json.len - i;
        sw_text_add_bytes(c, &line, json.data + i, plain);
        i += plain;
        if (!open) break;
        sw_text_add(c, &line, "\\u003c");
        i++;
    }
    sw_text_add(c, &line, "\n");
    return line;
}

int64_t prompt_cost(sw_ctx *c, sw_value value)
{
    sw_text line = prompt_line_of(c, value);
    return prompt_tokens(line.data, line.len);
}

bool prompt_offer(prompt *p, sw_value value)
{
    sw_text line = prompt_line_of(p->c, value);
    if (prompt_tokens(line.data, line.len) > p->left - p->reserved) return false;
    prompt_add(p, line.data, line.len);
    return true;
}
