/* text: cutting strings between characters. */
#ifndef UPSTREAM_TEXT_H
#define UPSTREAM_TEXT_H

#include <stepwell.h>

/* A copy without its end beyond `max` bytes, never cut within a character. */
const char *text_cut(sw_ctx *c, const char *string, size_t max);

#endif
