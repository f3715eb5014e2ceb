/* Fuzzes the JSON conversion: what reads must write, and read again to the same; and any msgpack bytes must write. */
#include <stdlib.h>
#include <string.h>

#include "runtime/ctx_access.h"
#include "runtime/json.h"
#include "runtime/value.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(int is_so)
{
    if (!is_so) abort();
}

/* json.c also holds the calls of stepwell.h, which are not called here. */
arena *ctx_arena(sw_ctx *c, const char *function)
{
    (void)c;
    (void)function;
    abort();
}

void ctx_fail_misuse(sw_ctx *c, const char *format, ...)
{
    (void)c;
    (void)format;
    abort();
}

void sw_fail(sw_ctx *c, const char *format, ...)
{
    (void)c;
    (void)format;
    abort();
}

static void from_text(arena *a, const char *data, size_t size)
{
    sw_value v, again;
    sw_bytes text, second;
    const char *message = NULL;
    if (!json_read(a, data, size, &v, &message)) {
        require(message != NULL);
        return;
    }
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
    (void)json_read(a, text.data, text.len, &again, &error); /* a number may be too large for it */
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
