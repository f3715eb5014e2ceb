/* json: values as JSON text; the way back is json_reader's. Keeps nothing. */
#ifndef RUNTIME_BASE_JSON_H
#define RUNTIME_BASE_JSON_H

#include "runtime/base/arena.h"
#include "runtime/stepwell.h"

/* Compact JSON (RFC 8259), valid UTF-8 whatever the strings hold (U+FFFD for bytes that are none), zero-terminated in
 * `a`. Binary and extension data become base64 text, NaN and infinity null, keys that are no strings their JSON text,
 * arrays and maps as keys "[]" and "{}".
 * False: out of memory, or nested deeper than VALUE_DEPTH_MAX. */
bool json_write(arena *a, sw_value v, sw_bytes *out);

/* Whether every string in it, keys too, is UTF-8: what json_write would have to change is what readers would miss. */
bool json_writes_whole(sw_value v);

#endif
