/* token: which bytes may stand where in HTTP (RFC 9110, section 5.6.2 and 5.5). Tables and comparisons only. */
#ifndef HTTP_RFC_TOKEN_H
#define HTTP_RFC_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

extern const unsigned char token_table[256]; /* 1: may be in a method or field name */

static inline bool token_byte(unsigned char b) { return token_table[b]; }

/* A method or field name, whole. */
static inline bool is_rfc_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!token_byte((unsigned char)text[i])) return false;
    return len > 0;
}

/* May be in a field's value: anything but controls; tab is allowed. */
static inline bool field_byte(unsigned char b) { return (b >= 0x20 && b != 0x7f) || b == '\t'; }

static inline bool text_equals(const char *data, size_t len, const char *text, size_t text_len)
{
    return len == text_len && strncasecmp(data, text, len) == 0;
}

#endif
