/* uri: percent-decoding of paths and queries. An escape is '%' and two hex digits other than those of a zero. In a
 * path, which says what is asked for, anything else behind a '%' is refused; in a query, which people and pages write
 * by hand ("?q=100%"), it stands for itself, as browsers read it. Allocates nothing. */
#ifndef HTTP_URI_H
#define HTTP_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "http/http_text.h"

/* Decode into `out`, which has len + 1 bytes or is `text` itself, and terminate it. False: malformed; `out` then holds
 * nothing of use. */
bool uri_decode_path(const char *text, size_t len, char *out, size_t *out_len);
void uri_decode_query(const char *text, size_t len, char *out, size_t *out_len); /* '+' is a space */

/* True if each '%' begins a valid escape and none is a zero. */
bool uri_valid(http_text text);

/* True if `text` decodes, as in a path, to these bytes. */
bool uri_path_equals(http_text text, const char *plain, size_t plain_len);

/* Steps through "a=1&b=2", from *at = 0: name and value still encoded, value "" without '='. Empty pieces are skipped.
 * False at the end. */
bool uri_query_next(http_text query, size_t *at, http_text *name, http_text *value);

/* The first parameter of that (plain) name, decoded and terminated in `value`, which has len + 1 bytes. False: there is
 * none. */
bool uri_query(const char *query, size_t len, const char *name, char *value);

#endif
