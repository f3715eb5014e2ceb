/* What gzip_pack has packed zlib unpacks to the same bytes, whatever and however many they are. */
#include "runtime/trace/gzip.h"

#define ZLIB_CONST
#include <zlib.h>

#include "tests/harness/check.h"

enum { BYTES_MAX = 300000 };
static char bytes[BYTES_MAX], unpacked[BYTES_MAX];

static size_t unpack(const char *data, size_t len)
{
    z_stream z = {.next_in = (const Bytef *)data, .avail_in = (uInt)len};
    z.next_out = (Bytef *)unpacked;
    z.avail_out = sizeof unpacked;
    CHECK_INT(inflateInit2(&z, 15 + 16), Z_OK); /* gzip alone */
    CHECK_INT(inflate(&z, Z_FINISH), Z_STREAM_END);
    CHECK_INT(z.avail_in, 0);
    CHECK_INT(inflateEnd(&z), Z_OK);
    return sizeof unpacked - z.avail_out;
}

static void test_any(void)
{
    static const size_t sizes[] = {0, 1, 2, 100, 4096, 65535, 65536, 65537, BYTES_MAX};
    uint64_t state = 3;
    msgpack_sbuffer to;
    msgpack_sbuffer_init(&to);
    for (unsigned values = 1; values <= 256; values *= 16) /* from what packs best to what does not at all */
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            for (size_t k = 0; k < sizes[i]; k++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                bytes[k] = (char)((state >> 40) % values);
            }
            const size_t before = to.size;
            CHECK(gzip_pack(&to, bytes, sizes[i]));
            CHECK_INT(unpack(to.data + before, to.size - before), sizes[i]);
            CHECK(memcmp(bytes, unpacked, sizes[i]) == 0);
            if (i % 2) to.size = 0; /* else the next one comes behind it */
        }
    msgpack_sbuffer_destroy(&to);
}

static const check_case cases[] = {{"any bytes", test_any}};
CHECK_MAIN(cases)
