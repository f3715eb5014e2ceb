#include "runtime/trace/gzip.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#define ZLIB_CONST /* what is packed does not change */
#include <zlib.h>

enum { WINDOW_BITS = 15, AS_GZIP = 16 /* instead of zlib's own head */, MEMORY_LEVEL = 8 };

/* False: no memory. */
static bool buffer_reserve(msgpack_sbuffer *b, size_t bytes)
{
    if (b->alloc - b->size >= bytes) return true;
    char *bigger = realloc(b->data, b->size + bytes);
    if (!bigger) return false;
    b->data = bigger;
    b->alloc = b->size + bytes;
    return true;
}

bool gzip_pack(msgpack_sbuffer *to, const char *data, size_t len)
{
    z_stream z = {.next_in = (const Bytef *)data, .avail_in = (uInt)len};
    assert(len <= UINT_MAX);
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS + AS_GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return false;
    const size_t most = deflateBound(&z, (uLong)len);
    bool packed = most <= UINT_MAX && buffer_reserve(to, most);
    if (packed) {
        z.next_out = (Bytef *)to->data + to->size;
        z.avail_out = (uInt)most;
        packed = deflate(&z, Z_FINISH) == Z_STREAM_END;
        assert(packed); /* there is room for all of it */
        to->size += most - z.avail_out;
    }
    (void)deflateEnd(&z);
    return packed;
}
