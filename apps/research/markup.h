/* markup: what in a Markdown text is more than text: HTML, images, links that lead elsewhere than to the web. Looks at
 * bytes, changes none. */
#ifndef RESEARCH_MARKUP_H
#define RESEARCH_MARKUP_H

#include <stdbool.h>
#include <stddef.h>

enum { MARKUP_SEEN = 8 }; /* as many bytes show what a "<", "&" or "!" begins */

/* Whether "<", "&" or "!" at the place has to be escaped: it begins HTML other than <br>, <sub> and <sup>, a bracket in
 * disguise, or an image, for which whoever shows the text would ask a server that the model has chosen. `in_mark`: it
 * stands behind the beginning of a mark such as "[9". */
bool markup_acts(const char *at, size_t len, bool in_mark);

/* Whether two bytes that have come to stand side by side may begin markup. */
bool markup_joins(char before, char behind);

typedef enum markup_place { MARKUP_ELSEWHERE, MARKUP_WEB, MARKUP_UNKNOWN /* what follows decides */ } markup_place;

/* Where a link leads. `last`: nothing follows. */
markup_place markup_destination(const char *at, size_t len, bool last);

/* Whether a backslash before the place stands for what is there. */
bool markup_is_escaped(const char *text, size_t place);

/* Whether nothing but blanks and the marks of quotes and lists stands before the place in its line. */
bool markup_begins_block(const char *text, size_t place);

/* Whether the text ends in a label that began at a block's beginning, and that no bracket has ended. */
bool markup_ends_in_label(const char *text, size_t len);

/* Whether a ":" behind the text would give a label a destination: "[3]: https://..." gives one to every [3] of the
 * text, "[x]: javascript:..." one that is none of the web. */
bool markup_ends_label(const char *text, size_t len);

#endif
