/* remark_api: what a handler says of its run, beside what it does: labels, status, usage. Journaled, and not said again
 * by a replay: code outside steps makes the same remarks each time, so that the journal knows how many are old; a step
 * that is done is not run again, and an attempt that is made again has used what it says anew. */
#include <assert.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/base/json.h"
#include "runtime/base/utf8.h"
#include "runtime/base/value.h"
#include "runtime/run/ctx.h"
#include "runtime/run/gate.h"
#include "runtime/run/home.h"
#include "runtime/run/path.h"
#include "runtime/run/record.h"
#include "runtime/run/remarking.h"
#include "runtime/run/replay.h"
#include "runtime/run/run_span.h"
#include "runtime/run/step_spec.h"
#include "runtime/run/strand.h"

/* ---- Where a remark comes from ---- */

static run *remark_check(sw_ctx *c, const char *function)
{
    ctx_check_wait(c, function);
    if (!c->run) ctx_fail_misuse(c, "%s in a plain route: it tells of a run, which sw_endpoint makes", function);
    return c->run;
}

/* Names the place of the remark `e`. False: an earlier execution has made it, or it is new in something that has lost:
 * then it is not said, and the code goes on, since a fork may have what comes behind it, but no remarks. */
static bool remark_is_new(sw_ctx *c, path_kind kind, const char *id, entry *e)
{
    e->at_ms = clock_wall_ms();
    if (c->kind == CTX_STEP) {
        e->path = c->path;
        e->attempt = (uint32_t)c->attempt;
        return true;
    }
    e->path = path_count(c, kind, id, &e->occurrence);
    replay *p = c->run->replay;
    bool is_new = !p || !replay_take_remarked(p, e->path, e->occurrence) || BUG(SAY_AGAIN);
    return is_new && !c->strand->is_abandoned;
}

static SW_NORETURN void remark_fail_over_limit(sw_ctx *c)
{
    ctx_fail_misuse(c, "the run's state is over its limit (--run-state-max)");
}

/* Appends the remark, and remembers it. */
static void remark_append(sw_ctx *c, const entry *e)
{
    if (!remarking_begin(c->run)) ctx_fail_memory(c);
    if (!record_append(c->run, e)) remark_fail_over_limit(c);
    (void)remarking_note(c->run, e); /* the memory for it is there */
}

/* ---- Labels ---- */

/* `what`: "key" or "value". */
static void label_check_text(sw_ctx *c, const char *what, const char *text)
{
    if (!text) ctx_fail_misuse(c, "sw_label without a %s", what);
    if (strlen(text) > REMARK_LABEL_BYTES_MAX)
        ctx_fail_misuse(c, "a label's %s has %zu bytes: at most %d are allowed", what, strlen(text),
                        REMARK_LABEL_BYTES_MAX);
    if (!utf8_is_clean(text, strlen(text)))
        ctx_fail_misuse(c, "a label's %s is UTF-8 text without control characters", what);
}

static void label_check(sw_ctx *c, const char *key, const char *value)
{
    label_check_text(c, "key", key);
    label_check_text(c, "value", value);
    if (!*key || strchr(key, ':'))
        ctx_fail_misuse(c, "a label's key is 1 to %d bytes without a colon", REMARK_LABEL_BYTES_MAX);
}

static const run_label *label_of(const run *r, const entry *e)
{
    const run_remarks *said = remarking_said(r);
    for (uint32_t i = 0; said && i < said->label_count; i++)
        if (entry_text_equal(said->labels[i].key, e->id)) return &said->labels[i];
    return NULL;
}

static bool label_has_value(const run_label *l, const entry *e) { return l && entry_text_equal(l->value, e->value); }

void sw_label(sw_ctx *c, const char *key, const char *value)
{
    run *r = remark_check(c, "sw_label");
    label_check(c, key, value);
    entry e = {.kind = ENTRY_LABEL, .id = entry_text_of(key), .value = entry_text_of(value)};
    if (!remark_is_new(c, PATH_LABEL, key, &e)) return;
    if (!gate_wait_room(c->strand)) ctx_raise_interrupt(c);
    const run_label *l = label_of(r, &e);
    if (c->kind == CTX_STEP && label_has_value(l, &e)) return; /* an attempt that is made again says it again */
    if (!l && remarking_said(r) && remarking_said(r)->label_count == REMARKS_LABELS_MAX)
        ctx_fail_misuse(c, "label \"%s\" is one more than the %d labels a run may have", key, REMARKS_LABELS_MAX);
    remark_append(c, &e);
}

/* ---- Status ---- */

static bool status_is_said(const run *r, const entry *e)
{
    const run_remarks *said = remarking_said(r);
    return said && entry_text_equal(said->status, e->value);
}

void sw_status(sw_ctx *c, sw_value value)
{
    run *r = remark_check(c, "sw_status");
    msgpack_sbuffer *scratch = &r->task.home->scratch;
    size_t most = (size_t)r->task.home->opt->status_max;
    const char *error = NULL;
    entry e = {.kind = ENTRY_STATUS};
    if (!remark_is_new(c, PATH_STATUS, "", &e)) return;
    scratch->size = 0;
    bool packed = value_pack(scratch, value, most, &error);
    if (!packed && error == value_no_memory) ctx_fail_memory(c);
    if (!packed) ctx_fail_misuse(c, "a status cannot be journaled: %s (--status-max is %zu bytes)", error, most);
    if (!json_writes_whole(value))
        ctx_fail_misuse(c, "a status holds text that is not valid UTF-8: use whole characters, or sw_bin for bytes");
    if (!record_has_room(r, scratch->size)) remark_fail_over_limit(c);
    e.value = (entry_text){scratch->data, scratch->size};
    if (c->kind == CTX_STEP && status_is_said(r, &e)) return; /* an attempt that is made again says it again */
    if (!remarking_put_status(r, &e)) ctx_fail_memory(c);
}

/* ---- Usage ---- */

static int64_t usage_read(int64_t n) { return n > 0 ? n : 0; }

static int64_t usage_add(int64_t a, int64_t b)
{
    assert(a >= 0 && b >= 0);
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static void usage_check_model(sw_ctx *c, const char *model)
{
    if (strlen(model) > STEP_ID_MAX)
        ctx_fail_misuse(c, "a model's name has %zu bytes: at most %d are allowed", strlen(model), STEP_ID_MAX);
    if (!utf8_is_valid(model, strlen(model))) ctx_fail_misuse(c, "a model's name is UTF-8 text");
}

void sw_usage(sw_ctx *c, const sw_usage_of *of)
{
    run *r = remark_check(c, "sw_usage");
    if (!of) ctx_fail_misuse(c, "sw_usage without what was used");
    const char *model = of->model ? of->model : "";
    usage_check_model(c, model);
    entry e = {.kind = ENTRY_USAGE,
               .id = entry_text_of(model),
               .used = {[ENTRY_INPUT_TOKENS] = usage_read(of->input_tokens),
                        [ENTRY_OUTPUT_TOKENS] = usage_read(of->output_tokens),
                        [ENTRY_UNITS] = usage_read(of->units)}};
    if (!remark_is_new(c, PATH_USAGE, model, &e)) return;
    if (BUG(LOSE_USAGE) && c->kind == CTX_STEP && c->attempt > 1) return;
    if (!gate_wait_room(c->strand)) ctx_raise_interrupt(c);
    const run_remarks *said = remarking_said(r);
    for (int i = 0; i < ENTRY_USED; i++) e.used_sum[i] = usage_add(said ? usage_read(said->used[i]) : 0, e.used[i]);
    remark_append(c, &e);
    if (r->task.trace) attempt_span_usage(c, of);
}
