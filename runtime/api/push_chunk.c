/* push_chunk: what a run streams to its clients. A chunk is an entry of the run: owned by the run's buffer, and
 * journaled before it is sent. */
#include <assert.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/base/value.h"
#include "runtime/run/ctx.h"
#include "runtime/run/home.h"
#include "runtime/run/path.h"
#include "runtime/run/record.h"
#include "runtime/run/replay.h"
#include "runtime/run/run.h"
#include "runtime/run/strand.h"

static bool chunk_is_replayed(sw_ctx *c, uint32_t occurrence)
{
    run *r = c->run;
    return c->kind != CTX_STEP && r->replay && replay_take_streamed(r->replay, c->path, occurrence);
}

/* The label of the step that pushes, made once: a stream may have very many chunks, and the run's arena grows. */
static const char *chunk_label(sw_ctx *c)
{
    assert(c->kind == CTX_STEP);
    if (!c->step_label) c->step_label = path_label(c->run, c->branch_label, c->id, c->occurrence);
    return c->step_label;
}

void sw_push_chunk(sw_ctx *c, sw_value value)
{
    ctx_check_wait(c, "sw_push_chunk");
    run *r = c->run;
    if (!r) ctx_fail_misuse(c, "sw_push_chunk in a plain route: use sw_reply_open and sw_reply_write");
    uint32_t occurrence = 0;
    const char *label = "";
    if (c->kind == CTX_STEP)
        label = chunk_label(c);
    else
        (void)path_next(c, PATH_CHUNK, "", &occurrence);
    if (chunk_is_replayed(c, occurrence)) return;
    ctx_check_begin(c);
    if (!gate_wait_room(c->strand)) ctx_raise_interrupt(c);
    msgpack_sbuffer *scratch = &r->task.home->scratch;
    const char *error = NULL;
    scratch->size = 0;
    bool packed = value_pack(scratch, value, r->task.home->opt->step_result_max, &error);
    if (!packed && error == value_no_memory) ctx_fail_memory(c);
    if (!packed)
        ctx_fail_misuse(c, "a chunk cannot be journaled: %s (--step-result-max is %zu bytes)", error,
                        (size_t)r->task.home->opt->step_result_max);
    if (!json_writes_whole(value))
        ctx_fail_misuse(c, "a chunk holds text that is not valid UTF-8 (half a character?): push whole characters, or "
                           "bytes with sw_bin");
    entry e = {.kind = ENTRY_CHUNK,
               .path = c->path,
               .id = {label, strlen(label)},
               .occurrence = occurrence,
               .at_ms = clock_wall_ms(),
               .value = {scratch->data, scratch->size}};
    if (!record_append(r, &e)) ctx_fail_misuse(c, "the run's state is over its limit (--run-state-max)");
}
