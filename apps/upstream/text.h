/* text: cutting strings between characters. */
#ifndef UPSTREAM_TEXT_H
#define UPSTREAM_TEXT_H

#include <stepwell.h>

/* How many of a text's first `max` bytes are whole characters; the text is longer than that. */
size_t text_cut_len(const char *string, size_t max);

/* The text, or a copy of its beginning: at most `max` bytes, whole characters. */
const char *text_cut(sw_ctx *c, const char *string, size_t max);

#endif
