/* text: a string that grows, in the memory of the request, run or attempt that it is made for. */
#ifndef APPS_COMMON_TEXT_H
#define APPS_COMMON_TEXT_H

#include <stepwell.h>

typedef struct text {
    char *data;  /* zero-terminated; owned by the context it was made with; NULL before the first append */
    size_t len;  /* bytes without the zero */
    size_t room; /* bytes allocated */
} text;

void text_append(sw_ctx *c, text *t, const char *data, size_t len);
void text_add(sw_ctx *c, text *t, const char *string);
void text_addf(sw_ctx *c, text *t, const char *format, ...) SW_PRINTF(3, 4);

/* A copy without its end beyond `max` bytes, never cut within a character. */
const char *text_cut(sw_ctx *c, const char *string, size_t max);

#endif
