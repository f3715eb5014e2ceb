/* http_text: bytes of a message as one piece, borrowed. */
#ifndef HTTP_HTTP_TEXT_H
#define HTTP_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

typedef struct http_text {
    const char *data; /* terminated by a zero behind len; it may also hold zeros itself */
    size_t len;
} http_text;

/* Compares as HTTP does names of fields and schemes: 'A' equals 'a'. */
static inline bool text_equals_any_case(const char *data, size_t len, const char *text, size_t text_len)
{
    return len == text_len && strncasecmp(data, text, len) == 0;
}

#endif
