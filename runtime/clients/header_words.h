/* header_words: the words of a header's value that is a list (RFC 9110, 5.6): white space, tokens and quoted strings.
 * Reads terminated texts, and owns nothing; what the words mean is the caller's matter. */
#ifndef RUNTIME_CLIENTS_HEADER_WORDS_H
#define RUNTIME_CLIENTS_HEADER_WORDS_H

#include <string.h>

static inline const char *skip_space(const char *at) { return at + strspn(at, " \t"); }

/* The end of a quoted string, with its quotes, or of a word that ends before one of the bytes in `stops`. */
static inline const char *word_end(const char *at, const char *stops)
{
    if (*at != '"') return at + strcspn(at, stops);
    for (at++; *at && *at != '"'; at++)
        if (*at == '\\' && at[1]) at++;
    return *at ? at + 1 : at;
}

#endif
