/* http_text: bytes of a message as one piece, borrowed. */
#ifndef HTTP_HTTP_TEXT_H
#define HTTP_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

typedef struct http_text {
    const char *data; /* zeros may be among the bytes; where its owner says so, another zero follows data[len - 1] */
    size_t len;
} http_text;

/* Compares as HTTP does names of fields and schemes: 'A' equals 'a'. */
static inline bool text_equals_any_case(const char *data, size_t len, const char *text, size_t text_len)
{
    return len == text_len && strncasecmp(data, text, len) == 0;
}

/* Copies the bytes to `to`, which has room for them, and returns the end. */
static inline char *text_put(char *to, const void *data, size_t len)
{
    if (len > 0) memcpy(to, data, len);
    return to + len;
}

#endif
