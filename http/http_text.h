/* text: bytes of a message as one piece, borrowed. */
#ifndef HTTP_HTTP_TEXT_H
#define HTTP_HTTP_TEXT_H

#include <stddef.h>

typedef struct http_text {
    const char *data; /* zero-terminated beyond len, which zeros inside would not end */
    size_t len;
} http_text;

#endif
