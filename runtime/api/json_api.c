/* json_api: JSON of stepwell.h. Long texts are read and written aside (runtime/api/aside.h), the others at once. What a
 * function makes lies in its context's arena. */
#include <assert.h>

#include "runtime/api/aside.h"
#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"
#include "runtime/base/value.h"
#include "runtime/run/ctx.h"

/* ---- Reading ---- */

typedef struct reading {
    arena memory; /* whose heir is the context's arena */
    const char *data;
    size_t len;
    sw_value *out;
    const char *message;
    bool ok;
} reading;

static void reading_work(void *arg)
{
    reading *r = arg;
    r->ok = json_read(&r->memory, r->data, r->len, r->out, &r->message);
}

/* Takes over what was read, or of a text that is no JSON the message alone. */
static void reading_take(arena *a, reading *r)
{
    if (r->ok) {
        r->ok = arena_adopt(a, &r->memory);
        if (!r->ok) r->message = value_refusal(a);
    } else if (r->memory.over || r->memory.is_out) {
        a->over = a->over || r->memory.over;
        a->is_out = a->is_out || r->memory.is_out;
        r->message = value_refusal(&r->memory);
    } else {
        const char *copy = arena_strndup(a, r->message, strlen(r->message));
        r->message = copy ? copy : value_refusal(a);
    }
    if (!r->ok) *r->out = sw_nil();
    arena_free(&r->memory);
}

static bool json_read_aside(sw_ctx *c, sw_bytes text, sw_value *out, const char **message)
{
    sw_value value = sw_nil();
    reading r = {.data = text.data, .len = text.len, .out = &value};
    arena_init_for(&r.memory, c->arena);
    bool may_go_on = aside_run(c->strand, reading_work, &r);
    if (!may_go_on) {
        arena_free(&r.memory);
        ctx_raise_interrupt(c);
    }
    reading_take(c->arena, &r);
    *out = value;
    *message = r.message;
    return r.ok;
}

bool sw_json_try(sw_ctx *c, const char *data, size_t len, sw_value *out, const char **message)
{
    const char *unused;
    sw_value value;
    struct arena *a = ctx_arena(c, "sw_json_try");
    if (!message) message = &unused;
    if (!out) out = &value;
    if (!data) len = 0;
    bool aside = len >= ASIDE_BYTES_MIN && aside_may_wait(c);
    bool ok = aside ? json_read_aside(c, (sw_bytes){data, len}, out, message)
                    : json_read(a, data ? data : "", len, out, message);
    assert(ok || *message);
    if (!ok && *message == value_no_memory) ctx_fail_memory(c); /* the text may be JSON all the same */
    return ok;
}

sw_value sw_json_parse(sw_ctx *c, const char *data, size_t len)
{
    sw_value v;
    const char *message;
    (void)ctx_arena(c, "sw_json_parse");
    if (!sw_json_try(c, data, len, &v, &message)) sw_fail(c, "sw_json_parse: %s", message);
    return v;
}

/* ---- Writing ---- */

typedef struct writing {
    arena memory; /* whose heir is the context's arena */
    sw_value value;
    sw_bytes text;
    bool ok, is_too_deep;
} writing;

static void writing_work(void *arg)
{
    writing *w = arg;
    w->ok = json_write(&w->memory, w->value, &w->text);
    w->is_too_deep = !w->ok && value_is_too_deep(w->value);
}

static void json_write_aside(sw_ctx *c, writing *w)
{
    arena_init_for(&w->memory, c->arena);
    bool may_go_on = aside_run(c->strand, writing_work, w);
    if (may_go_on && w->ok) {
        w->ok = arena_adopt(c->arena, &w->memory);
    } else {
        c->arena->over = c->arena->over || w->memory.over;
        c->arena->is_out = c->arena->is_out || w->memory.is_out;
    }
    arena_free(&w->memory);
    if (!may_go_on) ctx_raise_interrupt(c);
}

sw_bytes sw_json(sw_ctx *c, sw_value value)
{
    arena *a = ctx_arena(c, "sw_json");
    writing w = {.value = value};
    if (aside_may_wait(c)) {
        bool is_longer = false;
        w.ok = json_write_up_to(a, value, ASIDE_BYTES_MIN, &w.text, &is_longer);
        if (is_longer)
            json_write_aside(c, &w);
        else
            w.is_too_deep = !w.ok && value_is_too_deep(value);
    } else {
        w.ok = json_write(a, value, &w.text);
        w.is_too_deep = !w.ok && value_is_too_deep(value);
    }
    if (w.ok) return w.text;
    if (w.is_too_deep) ctx_fail_misuse(c, "sw_json: the value is nested too deep");
    ctx_fail_memory(c);
}
