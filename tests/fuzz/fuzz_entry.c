/* Fuzzes entry_decode: whatever decodes must encode, and decode again to the same. */
#include <stdlib.h>
#include <string.h>

#include "storage/entry.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(int is_so)
{
    if (!is_so) abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        entry e, again;
        const char *error = NULL;
        size_t taken = entry_decode((const char *)data + at, size - at, &e, &error);
        require(taken <= size - at && (taken == 0) == (error != NULL));
        if (taken == 0) return 0;
        at += taken;
        if (e.kind >= ENTRY_PASSABLE && e.kind != ENTRY_BRANCH && e.kind != ENTRY_CRASHED && e.kind != ENTRY_DIFFERS &&
            e.kind != ENTRY_UNASKED && !entry_is_remark(e.kind))
            continue; /* passed over: cannot be written */
        msgpack_sbuffer first, second;
        msgpack_sbuffer_init(&first);
        msgpack_sbuffer_init(&second);
        require(entry_encode(&first, &e) == 0);
        require(entry_decode(first.data, first.size, &again, &error) == first.size);
        require(entry_encode(&second, &again) == 0);
        require(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
        msgpack_sbuffer_destroy(&first);
        msgpack_sbuffer_destroy(&second);
    }
    return 0;
}
