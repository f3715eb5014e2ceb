/* rfc_token: which bytes may stand where in HTTP's fields (RFC 9110, sections 5.6.2 and 5.5). One table. */
#ifndef HTTP_RFC_TOKEN_H
#define HTTP_RFC_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

extern const unsigned char rfc_token_table[256]; /* 1: may be in a method or field name */

static inline bool rfc_token_byte(unsigned char b) { return rfc_token_table[b]; }

/* A method or field name, whole. */
static inline bool is_rfc_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!rfc_token_byte((unsigned char)text[i])) return false;
    return len > 0;
}

/* May be in a field's value: anything but controls; tab is allowed. */
static inline bool rfc_field_byte(unsigned char b) { return (b >= 0x20 && b != 0x7f) || b == '\t'; }

/* A field's value, whole; it may be empty. Eight bytes at a time: each reply's headers are checked. */
bool is_rfc_field_value(const char *text, size_t len);

#endif
