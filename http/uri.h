/* uri: percent-decoding of paths and queries. An escape is '%' and two hex digits other than those of a zero. In a
 * path, which says what is asked for, anything else behind a '%' is refused; in a query, which people and pages write
 * by hand ("?q=100%"), it stands for itself, as browsers read it. Allocates nothing. */
#ifndef HTTP_URI_H
#define HTTP_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "http/http_text.h"

/* Decodes into `out`, which has len + 1 bytes or is `text` itself, and terminates it. False: malformed; `out` then
 * holds nothing of use. */
bool uri_decode_path(const char *text, size_t len, char *out, size_t *out_len);
/* Decodes into `out`, which has len + 1 bytes or is `text` itself, and terminates it. '+' is a space. */
void uri_decode_query(const char *text, size_t len, char *out, size_t *out_len);

/* True if each '%' begins a valid escape and none is a zero. */
bool uri_valid(http_text text);

/* True if `text` decodes, as in a path, to these bytes. */
bool uri_path_equals(http_text text, const char *plain, size_t plain_len);

/* Steps through "a=1&b=2", from *at = 0: name and value still encoded, value "" without '='. Skips empty pieces. False
 * at the end. */
bool uri_query_next(http_text query, size_t *at, http_text *name, http_text *value);

/* Decodes the first parameter of that (plain) name into `value`, which has len + 1 bytes, and terminates it. False:
 * there is none. */
bool uri_query(const char *query, size_t len, const char *name, char *value);

#endif
