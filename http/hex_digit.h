/* hex_digit: the value of one hexadecimal digit, as escapes and chunk sizes have them. */
#ifndef HTTP_HEX_DIGIT_H
#define HTTP_HEX_DIGIT_H

/* Returns 0 to 15; -1: no such digit. */
static inline int hex_digit_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

#endif
