/* A model's text in pieces: what comes out does not depend on where it was cut, and outside code every mark in it has
 * the number of a source and is no link. The first byte says where it is cut. */
#include "apps/research/citations.h"
#include "tests/research/marks.h"
#include "tests/research/memory.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t shown[] = {1, 0, 3, 40};
    if (size == 0) return 0;
    const char *words = (const char *)data + 1;
    size_t len = size - 1, cut = (size_t)data[0] + 1;
    citations whole = citations_new(NULL, shown, 4), pieces = citations_new(NULL, shown, 4);
    (void)citations_take(&whole, words, len, true);
    for (size_t at = 0; at < len; at += cut)
        (void)citations_take(&pieces, words + at, cut < len - at ? cut : len - at, false);
    (void)citations_take(&pieces, "", 0, true);
    if (whole.out.len != pieces.out.len) abort();
    if (memcmp(sw_text_str(&whole.out), sw_text_str(&pieces.out), whole.out.len) != 0) abort();
    if (!marks_are_good(sw_text_str(&whole.out), shown, 4)) abort();
    memory_free();
    return 0;
}
