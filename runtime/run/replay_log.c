#include "runtime/run/replay_log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/run/replay.h"
#include "runtime/run/run_trace.h"

enum { PENDING_BYTES_MAX = 65536 };

struct pending_line {
    pending_line *next;
    size_t used; /* replay_used when the line was made */
    char text[];
};

static void replay_log_say(const run *r, const char *text) { run_log(r, LOG_INFO, "%s", text); }

static bool replay_log_put_off(sw_ctx *c, const char *format, va_list args)
{
    assert(c->kind != CTX_STEP); /* a finished step is not run again, so its lines are always new */
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    size_t size = sizeof(pending_line) + (size_t)(len < 0 ? 0 : len) + 1;
    pending_line *line = c->pending_line_bytes + size <= PENDING_BYTES_MAX ? malloc(size) : NULL;
    if (!line) return false;
    line->next = NULL;
    line->used = replay_used(c->run->replay);
    (void)vsnprintf(line->text, size - sizeof *line, format, args);
    pending_line **end = &c->pending_lines;
    while (*end) end = &(*end)->next;
    *end = line;
    c->pending_line_bytes += size;
    return true;
}

void replay_log(sw_ctx *c, const char *format, va_list args)
{
    const run *r = c->run;
    if (r && c->strand->is_abandoned) return; /* an earlier execution has logged it, if the code came so far */
    /* Without memory the line is logged at once: a line twice is better than a line never. */
    if (r && r->replay && replay_unused(r->replay) > 0 && replay_log_put_off(c, format, args)) return;
    ctx_vlog(c, LOG_INFO, format, args);
}

static pending_line *replay_log_take_pending(sw_ctx *c)
{
    pending_line *all = c->pending_lines;
    assert((all == NULL) == (c->pending_line_bytes == 0));
    c->pending_lines = NULL;
    c->pending_line_bytes = 0;
    return all;
}

void replay_log_drop(sw_ctx *c)
{
    for (pending_line *line = replay_log_take_pending(c), *next; line; line = next) {
        next = line->next;
        free(line);
    }
}

void replay_log_end(sw_ctx *c)
{
    for (pending_line *line = replay_log_take_pending(c), *next; line; line = next) {
        next = line->next;
        assert(line->used <= replay_used(c->run->replay)); /* which only grows */
        /* When another branch has come to a record since then, the earlier execution came to that record after this
         * line, and has logged it. */
        if (line->used == replay_used(c->run->replay)) replay_log_say(c->run, line->text);
        free(line);
    }
}

void replay_log_pass(sw_ctx *c, bool recorded)
{
    if (recorded)
        replay_log_drop(c);
    else
        replay_log_end(c);
}

void replay_log_hand_over(sw_ctx *c, sw_ctx *outer)
{
    assert(c->kind == CTX_BRANCH);
    assert(outer->kind != CTX_STEP);
    assert(c->run == outer->run);
    pending_line **end = &outer->pending_lines;
    while (*end) end = &(*end)->next;
    outer->pending_line_bytes += c->pending_line_bytes;
    *end = replay_log_take_pending(c);
}
