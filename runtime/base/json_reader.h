/* json_reader: reads JSON text into values, in one pass, straight into an arena. Owns nothing, has no state. */
#ifndef RUNTIME_BASE_JSON_READER_H
#define RUNTIME_BASE_JSON_READER_H

#include "runtime/base/arena.h"
#include "runtime/stepwell.h"

/* Reads one JSON value (RFC 8259) that takes up all of the text, and what other readers take as well: a byte order mark
 * at the start is passed over; bytes in strings that are no UTF-8, and \u escapes of half a surrogate pair, become
 * U+FFFD; integers beyond 64 bits become doubles. Strings and keys may hold zeros. Of equal keys the last one counts.
 *
 * False with *message (in `a`, or static): not JSON, with line and column; nested more than VALUE_DEPTH_MAX deep; a
 * number too large for a double; a's limit; value_no_memory. */
bool json_read(arena *a, const char *data, size_t len, sw_value *out, const char **message);
/* Reads a document of the admin API, which may be JSON_DOCUMENT_DEPTH_MAX deep, and else as json_read does. */
bool json_read_document(arena *a, const char *data, size_t len, sw_value *out, const char **message);

#endif
