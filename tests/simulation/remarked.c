#include "tests/simulation/remarked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/remarks.h"

enum {
    SPEAKERS = 3, /* one operation of so many speaks */
    LABEL_OF_ATTEMPT = REMARK_LABELS - 1,
    ATTEMPTS = 1000
};

static const char *const keys[REMARK_LABELS] = {"k0", "k1", "k2", "attempt"};

static bool speaks(int at) { return at % SPEAKERS == 0; }

/* ---- Saying ---- */

static void say(sw_ctx *c, int key, int what)
{
    sw_label(c, keys[key], sw_printf(c, "%d", what));
    sw_status(c, sw_int(what));
    sw_usage(c, &(sw_usage_of){.model = "m", .input_tokens = what, .units = 1});
}

void remarked_say(sw_ctx *c, run_record *r, int at)
{
    if (!speaks(at)) return;
    say(c, at % LABEL_OF_ATTEMPT, at * ATTEMPTS);
    r->ops[at].said = true;
}

void remarked_say_in_attempt(sw_ctx *c, run_record *r, int at)
{
    if (!speaks(at)) return;
    say(c, LABEL_OF_ATTEMPT, at * ATTEMPTS + sw_attempt(c));
    r->ops[at].told_attempt = (unsigned)sw_attempt(c);
}

/* ---- On disk ---- */

static uint64_t number_of(const entry_text *value)
{
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    bool ok = msgpack_unpack_next(&u, value->data, value->len, NULL) == MSGPACK_UNPACK_SUCCESS;
    uint64_t n = ok ? u.data.via.u64 : UINT64_MAX - 1;
    msgpack_unpacked_destroy(&u);
    return n;
}

static uint64_t number_of_text(const entry_text *text)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%.*s", (int)text->len, text->data);
    return strtoull(digits, NULL, 10);
}

static int key_of(const entry_text *key)
{
    for (int i = 0; i < REMARK_LABELS; i++)
        if (key->len == strlen(keys[i]) && memcmp(key->data, keys[i], key->len) == 0) return i;
    return -1;
}

static uint64_t what_of(const entry *e)
{
    if (e->kind == ENTRY_LABEL) return number_of_text(&e->value);
    return e->kind == ENTRY_STATUS ? number_of(&e->value) : (uint64_t)e->used[ENTRY_INPUT_TOKENS];
}

/* Outside steps an operation says each once, however often its handler is run. */
static const char *take_once(run_record *r, entry_kind kind, uint64_t what)
{
    if (what / ATTEMPTS >= OPS_MAX || what % ATTEMPTS != 0) return "a remark of no operation";
    op_state *s = &r->ops[what / ATTEMPTS];
    if (s->given_up && kind != ENTRY_STATUS) return "a remark of what has lost its group"; /* a status may wait */
    bool *there = kind == ENTRY_LABEL ? &s->labelled : kind == ENTRY_STATUS ? &s->has_status : &s->used;
    if (*there) return "a remark from outside steps is there twice";
    *there = true;
    return NULL;
}

static const char *take_of_attempt(run_record *r, const entry *e, int at, uint64_t what)
{
    if (at == NO_OP) return "a remark of a step of which no attempt began";
    if (what != (uint64_t)at * ATTEMPTS + e->attempt) return "a remark of another attempt";
    if (e->kind == ENTRY_USAGE) r->ops[at].used_attempt = e->attempt;
    return NULL;
}

const char *remarked_take(run_record *r, const entry *e, int at)
{
    uint64_t what = what_of(e);
    const char *wrong = e->attempt > 0 ? take_of_attempt(r, e, at, what) : take_once(r, e->kind, what);
    if (wrong) return wrong;
    if (e->kind == ENTRY_STATUS) r->last_status = what + 1;
    if (e->kind == ENTRY_USAGE) return ++r->usages == e->used_sum[ENTRY_UNITS] ? NULL : "usage is summed up wrongly";
    if (e->kind != ENTRY_LABEL) return NULL;
    if (key_of(&e->id) < 0) return "a label that nobody gave";
    r->labels[key_of(&e->id)] = what + 1;
    return NULL;
}

bool remarked_lacks_usage(const run_record *r, int at, const entry *e)
{
    return r->ops[at].told_attempt == e->attempt && r->ops[at].used_attempt != e->attempt;
}

/* What this execution has said outside steps is there. */
static bool all_is_there(const run_record *r)
{
    for (int i = 0; i < OPS_MAX; i++)
        if (r->ops[i].said && !r->ops[i].given_up && !(r->ops[i].labelled && r->ops[i].used)) return false;
    return true;
}

const char *remarked_ended(const run_record *r, const entry *e)
{
    run_remarks all = {.label_count = 0};
    uint32_t labels = 0;
    remarks_take(&all, e);
    for (uint32_t i = 0; i < all.label_count; i++) {
        int key = key_of(&all.labels[i].key);
        if (key < 0 || r->labels[key] != number_of_text(&all.labels[i].value) + 1) return "its end has another label";
    }
    for (int i = 0; i < REMARK_LABELS; i++) labels += r->labels[i] != 0;
    if (labels != all.label_count) return "its end lacks a label";
    if (r->last_status != (all.status.len > 0 ? number_of(&all.status) + 1 : 0)) return "its end has another status";
    if (all.has_used != (r->usages > 0) || all.used[ENTRY_UNITS] != r->usages) return "its end has another usage";
    return r->cancelled || all_is_there(r) ? NULL : "it ends, and what it has said is not on disk";
}
