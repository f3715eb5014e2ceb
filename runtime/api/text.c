/* text: a text that grows in the arena of the context that first added to it. Owns nothing: the struct is the
 * program's, the bytes are the arena's. */
#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/arena.h"
#include "runtime/run/task.h"

enum { ROOM_LEAST = 256 };

static char *text_end(sw_text *text) { return (char *)(uintptr_t)text->data + text->len; }

/* Makes room for `more` bytes and a zero; fails `c` for want of memory. The bytes lie in one piece, so that doubling
 * the room leaves the old piece behind in the arena: at most as much again as the text is long. */
static void text_make_room(sw_ctx *c, struct arena *a, sw_text *text, size_t more)
{
    if (text->data && more < text->room - text->len) return;
    size_t room = text->room ? text->room : ROOM_LEAST / 2, least = text->len + more + 1;
    room = room * 2 > least ? room * 2 : least;
    char *data = arena_alloc(a, more < SIZE_MAX / 4 ? room : SIZE_MAX); /* SIZE_MAX is over any limit */
    if (!data) ctx_fail_memory(c);
    assert(room - text->len > more); /* a zero more */
    if (text->len > 0) memcpy(data, text->data, text->len);
    data[text->len] = 0;
    text->data = data;
    text->room = room;
}

/* Returns the arena of the text, which from now on belongs to `c`; fails `c` when another context has it. */
static struct arena *text_open(sw_ctx *c, sw_text *text, const char *function)
{
    struct arena *a = ctx_arena(c, function);
    if (!text) ctx_fail_misuse(c, "%s without a text", function);
    assert(c->number != 0); /* which stands for a text without an owner */
    if (text->owner == 0) text->owner = c->number;
    if (text->owner != c->number)
        ctx_fail_misuse(c,
                        "%s to a text of another context: begin it with `sw_text t = {0};` in the function that adds "
                        "to it, and return what it holds with sw_str(c, sw_text_str(&t))",
                        function);
    return a;
}

void sw_text_add_bytes(sw_ctx *c, sw_text *text, const char *data, size_t len)
{
    struct arena *a = text_open(c, text, "sw_text_add_bytes");
    if (!data && len > 0) ctx_fail_misuse(c, "sw_text_add_bytes of %zu bytes without data", len);
    text_make_room(c, a, text, len);
    if (len > 0) memcpy(text_end(text), data, len);
    text->len += len;
    *text_end(text) = 0;
}

void sw_text_add(sw_ctx *c, sw_text *text, const char *format, ...)
{
    struct arena *a = text_open(c, text, "sw_text_add");
    ctx_check_format(c, "sw_text_add", format);
    text_make_room(c, a, text, 0);
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text_end(text), text->room - text->len, format, args);
    va_end(args);
    if (len < 0) ctx_fail_misuse(c, "sw_text_add with a format that printf does not take");
    if ((size_t)len >= text->room - text->len) {
        text_make_room(c, a, text, (size_t)len);
        va_start(args, format);
        (void)vsnprintf(text_end(text), text->room - text->len, format, args);
        va_end(args);
    }
    text->len += (size_t)len;
}

const char *sw_text_str(const sw_text *text) { return text && text->data ? text->data : ""; }
