/* gzip: bytes packed as RFC 1952 has them, for a collector that wants it so. Owns nothing. */
#ifndef RUNTIME_TRACE_GZIP_H
#define RUNTIME_TRACE_GZIP_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>

/* Appends the data, packed, to `to`; less than 4 GiB of it. False: no memory, and nothing was appended. */
bool gzip_pack(msgpack_sbuffer *to, const char *data, size_t len);

#endif
