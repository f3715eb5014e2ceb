/* json: writes values as JSON text; json_reader reads it. Owns nothing, has no state. */
#ifndef RUNTIME_BASE_JSON_H
#define RUNTIME_BASE_JSON_H

#include "runtime/base/arena.h"
#include "runtime/base/value.h"
#include "runtime/stepwell.h"

/* How deep a document may be that has values in it, each of which may be VALUE_DEPTH_MAX deep: a page of the admin API.
 */
enum { JSON_DOCUMENT_DEPTH_MAX = VALUE_DEPTH_MAX + 16 };

/* Writes compact JSON (RFC 8259), zero-terminated in `a`. It is valid UTF-8 whatever the strings hold: U+FFFD stands
 * for other bytes. Binary and extension data become base64 text, NaN and infinity null, keys that are no strings their
 * JSON text, arrays and maps as keys "[]" and "{}". False: out of memory, or nested deeper than VALUE_DEPTH_MAX. */
bool json_write(arena *a, sw_value v, sw_bytes *out);
/* Writes as json_write does what may be JSON_DOCUMENT_DEPTH_MAX deep. */
bool json_write_document(arena *a, sw_value v, sw_bytes *out);
/* Writes as json_write does a text of at most bytes_max bytes. False with *is_longer: the text would be longer. */
bool json_write_up_to(arena *a, sw_value v, size_t bytes_max, sw_bytes *out, bool *is_longer);

/* Writes the same text, without the zero, behind what is in `to`. False as above: then a part of it may be there. */
bool json_write_to(struct msgpack_sbuffer *to, sw_value v);

/* Whether every string in v, keys too, is UTF-8, so that json_write() changes none of them. */
bool json_writes_whole(sw_value v);

#endif
