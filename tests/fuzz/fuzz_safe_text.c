/* Fuzzer of safe_text: whatever bytes a run's texts are, what is shown is UTF-8 without characters that control a
 * terminal or turn text round, and no longer than was asked for. */
#include <stdlib.h>
#include <string.h>

#include "cli/safe.h"
#include "runtime/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the command's own, which ends the process. */
void cli_must(const void *memory)
{
    if (!memory) abort();
}

static void must(bool ok)
{
    if (!ok) abort();
}

static void check_character(const uint8_t *s, size_t len)
{
    must(len > 0);
    if (len == 1) must(s[0] >= 0x20 && s[0] < 0x7f);
    if (len == 2) must(s[0] != 0xc2 || s[1] >= 0xa0);
    if (len == 3 && s[0] == 0xe2 && s[1] == 0x80) must(s[2] < 0x8b || (s[2] > 0x8f && s[2] < 0xa8) || s[2] > 0xae);
    if (len == 3 && s[0] == 0xe2 && s[1] == 0x81) must(s[2] < 0xa0 || s[2] > 0xaf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static cli c;
    if (size == 0) return 0;
    arena_init(&c.arena, NULL);
    size_t most = data[0] % 64 + 3;
    const char *cut = safe_text(&c, (const char *)data + 1, size - 1, most);
    const char *whole = safe_text(&c, (const char *)data + 1, size - 1, 0);
    must(safe_columns(cut) <= most);
    must(safe_columns(whole) <= most || strncmp(cut + strlen(cut) - 3, "...", 3) == 0);
    for (size_t at = 0, n, len = strlen(whole); at < len; at += n) {
        n = utf8_length((const uint8_t *)whole + at, len - at);
        check_character((const uint8_t *)whole + at, n);
    }
    arena_free(&c.arena);
    return 0;
}
