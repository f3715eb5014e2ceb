/* Bodies of refusals, of plain texts: nothing is allocated, because a server that refuses has no time to lose. */
#include <assert.h>
#include <string.h>

#include "http/http_text.h"
#include "http/server/server.h"

/* Room without title and detail: what the pieces below take, with a zero. */
enum { FIXED_BYTES = 96 };

/* ASCII that stands for itself in JSON. */
static bool text_is_plain(const char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text >= 0x7f || *text == '"' || *text == '\\') return false;
    return true;
}

size_t http_problem_body(char *to, size_t size, int status, const char *title, const char *detail)
{
    assert(status >= 100 && status < 1000);
    assert(size >= FIXED_BYTES);
    if (!title) title = http_status_text(status);
    if (strlen(title) + (detail ? strlen(detail) : 0) > size - FIXED_BYTES) return 0;
    if (!text_is_plain(title) || (detail && !text_is_plain(detail))) return 0;
    const char digits[4] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10), (char)('0' + status % 10)};
    char *end = stpcpy(stpcpy(to, "{\"type\":\"about:blank\",\"title\":\""), title);
    end = stpcpy(stpcpy(end, "\",\"status\":"), digits);
    if (detail) end = stpcpy(stpcpy(stpcpy(end, ",\"detail\":\""), detail), "\"");
    end = stpcpy(end, "}\n");
    assert((size_t)(end - to) < size);
    return (size_t)(end - to);
}
