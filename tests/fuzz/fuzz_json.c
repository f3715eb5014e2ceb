/* Fuzzes the JSON conversion: what jansson reads must read to the same; what reads must write, and read again to the
 * same; what any msgpack bytes are written as must read. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"
#include "runtime/base/value.h"
#include "tests/harness/jansson.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(int is_so)
{
    if (!is_so) abort();
}

/* json.c also holds the calls of stepwell.h, which are not called here. */
/* What jansson reads, ours reads too, and the same; but jansson nests deeper. */
static void beside_jansson(const char *data, size_t size, const sw_value *v, const char *message)
{
    if (!v && strstr(message, "nested more than")) return;
    json_t *j = jansson_read(data, size);
    bool has_zero = memchr(data, 0, size) != NULL; /* jansson takes "1\0x" for "1" */
    require(!j || has_zero || (v && jansson_same(j, v)));
    json_decref(j);
}

static void from_text(arena *a, const char *data, size_t size)
{
    sw_value v, again;
    sw_bytes text, second;
    const char *message = NULL;
    bool ok = json_read(a, data, size, &v, &message);
    require(ok || message != NULL);
    beside_jansson(data, size, ok ? &v : NULL, message);
    if (!ok) return;
    require(json_write(a, v, &text) && text.data[text.len] == 0);
    require(json_read(a, text.data, text.len, &again, &message));
    require(json_write(a, again, &second));
    require(text.len == second.len && memcmp(text.data, second.data, text.len) == 0);
}

static void from_msgpack(arena *a, const char *data, size_t size)
{
    sw_value v, again;
    sw_bytes text;
    const char *error = NULL;
    if (!value_unpack(a, data, size, &v, &error)) return;
    require(json_write(a, v, &text));
    require(json_read(a, text.data, text.len, &again, &error));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    arena a;
    if (size < 1 || size > 4096) return 0;
    arena_init(&a, NULL);
    arena_set_limit(&a, 64 << 20);
    if (data[0] & 1)
        from_text(&a, (const char *)data + 1, size - 1);
    else
        from_msgpack(&a, (const char *)data + 1, size - 1);
    arena_free(&a);
    return 0;
}
