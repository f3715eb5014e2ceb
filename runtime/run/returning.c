#include "runtime/run/returning.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/base/value.h"
#include "runtime/run/board.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run/mailbox.h"

/* ---- The letter's value: [outcome, error, value] ---- */

enum { RETURNED_FIELDS = 3, OUTCOME_GONE = ENTRY_CANCELLED + 1 };

/* False: no memory. */
static bool returned_pack(msgpack_sbuffer *to, const returned *what)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, to, msgpack_sbuffer_write);
    return msgpack_pack_array(&pk, RETURNED_FIELDS) == 0 &&
           msgpack_pack_int(&pk, what->is_gone ? OUTCOME_GONE : (int)what->outcome) == 0 &&
           value_pack_str(&pk, what->error.data, what->error.len) && msgpack_pack_bin(&pk, what->value.len) == 0 &&
           (what->value.len == 0 || msgpack_pack_bin_body(&pk, what->value.data, what->value.len) == 0);
}

static bool value_is_returned(const sw_value *v)
{
    if (v->type != MSGPACK_OBJECT_ARRAY || v->via.array.size < RETURNED_FIELDS) return false;
    const sw_value *f = v->via.array.ptr;
    return f[0].type == MSGPACK_OBJECT_POSITIVE_INTEGER && f[0].via.u64 <= OUTCOME_GONE &&
           f[1].type == MSGPACK_OBJECT_STR && f[2].type == MSGPACK_OBJECT_BIN;
}

bool returned_read(arena *a, entry_text packed, returned *out, bool *is_short)
{
    const char *error = NULL;
    sw_value v = sw_nil();
    *out = (returned){.outcome = ENTRY_FAILED};
    bool is_read = value_unpack(a, packed.data, packed.len, &v, &error);
    *is_short = error == value_no_memory;
    if (!is_read || !value_is_returned(&v)) return false;
    const sw_value *f = v.via.array.ptr;
    out->is_gone = f[0].via.u64 == OUTCOME_GONE;
    if (!out->is_gone) out->outcome = (entry_ended)f[0].via.u64;
    out->error = (entry_text){f[1].via.str.ptr, f[1].via.str.size};
    out->value = (entry_text){f[2].via.bin.ptr, f[2].via.bin.size};
    return true;
}

/* ---- Making ---- */

/* NULL: no memory. */
static mail_letter *returning_new_packed(home *h, const letter_call *call, const run_id *child,
                                         const msgpack_sbuffer *content)
{
    return mail_new_return(h, &call->caller, letter_of_call(call->generation, call->number), child,
                           (entry_text){content->data, content->size});
}

/* What has become of the run. The value is packed into `packed`. False: no memory. */
static bool run_describe_end(run *r, msgpack_sbuffer *packed, returned *out)
{
    const char *error = NULL;
    *out = (returned){.outcome = r->outcome, .error = entry_text_of(r->outcome_error)};
    if (r->is_rejected) *out = (returned){.outcome = ENTRY_FAILED, .error = entry_text_of("its input was refused")};
    if (out->outcome != ENTRY_SUCCEEDED) return true;
    const size_t most = (size_t)r->task.home->opt->step_result_max;
    if (value_pack(packed, r->result, most, &error)) {
        out->value = (entry_text){packed->data, packed->size};
        return true;
    }
    if (error == value_no_memory) return false;
    const char *text = arena_printf(
        &r->task.arena, "its result cannot be given to its caller: %s (--step-result-max is %zu bytes)", error, most);
    *out = (returned){.outcome = ENTRY_FAILED, .error = entry_text_of(text ? text : error)};
    return true;
}

/* The generation of the run that has called this one for which the result is. Whoever was cancelled by that run, and is
 * wanted again, gives the result when it has gone on. */
static uint32_t run_returns_to(const run *r)
{
    letter_call call;
    uint32_t generation = r->caller.generation;
    const char *by = letter_by(r->letters, LETTER_CANCEL); /* which comes too late, perhaps */
    bool is_recalled = r->is_recalled || (by && letter_is_by_caller(by, strlen(by)));
    for (const letter *m = r->letters; m && !is_recalled; m = m->next)
        if (m->kind == LETTER_REOPEN && letter_read_call(m, &call) && call.generation > generation)
            generation = call.generation;
    return generation;
}

bool returning_prepare(run *r, entry_text *result)
{
    msgpack_sbuffer packed, content;
    returned what;
    assert(!r->returning);
    *result = (entry_text){NULL, 0};
    if (r->caller.number == 0 || BUG(RETURN_NONE)) return true;
    r->returns_to = run_returns_to(r);
    const letter_call call = {.caller = r->caller.parent, .generation = r->returns_to, .number = r->caller.number};
    msgpack_sbuffer_init(&packed);
    msgpack_sbuffer_init(&content);
    if (run_describe_end(r, &packed, &what) && returned_pack(&content, &what))
        r->returning = returning_new_packed(r->task.home, &call, &r->id, &content);
    size_t value_len = packed.size; /* the letter ends with it */
    msgpack_sbuffer_destroy(&packed);
    msgpack_sbuffer_destroy(&content);
    if (!r->returning) return false;
    const entry_text *all = &r->returning->value;
    if (what.outcome == ENTRY_SUCCEEDED) *result = (entry_text){all->data + all->len - value_len, value_len};
    r->task.home->gate.open_bytes += r->returning->packed.size;
    return true;
}

mail_letter *returning_new(home *h, const letter_call *call, const run_id *child, const returned *what)
{
    mail_letter *m = NULL;
    msgpack_sbuffer content;
    msgpack_sbuffer_init(&content);
    if (returned_pack(&content, what)) m = returning_new_packed(h, call, child, &content);
    msgpack_sbuffer_destroy(&content);
    return m;
}

/* ---- On its way ---- */

/* The letter goes to the store, or is forgotten. */
static void returning_close(run *r)
{
    size_t *open_bytes = &r->task.home->gate.open_bytes;
    assert(r->returning && *open_bytes >= r->returning->packed.size);
    *open_bytes -= r->returning->packed.size;
}

static mail_letter *letter_of_parcel(parcel *p) { return (mail_letter *)((char *)p - offsetof(mail_letter, parcel)); }

static bool returning_on_delivery(home *h, parcel *p) { return mailbox_arrive(h, letter_of_parcel(p)); }

static void returning_on_drop(parcel *p) { mail_free(letter_of_parcel(p)); }

const store_row *returning_seal(run *r, const store_row *then)
{
    r->is_last_sent = true;
    if (!r->returning) return then;
    returning_close(r);
    return mail_rows(r->returning, then);
}

void returning_hand(home *h, mail_letter *m)
{
    m->row.next = NULL;
    if (!home_owns(h, &m->run)) {
        mail_free(m); /* that node's lookout finds it */
        return;
    }
    m->parcel = (parcel){.deliver = returning_on_delivery, .drop = returning_on_drop};
    board_hand(h, &m->parcel, &m->run);
}

void returning_written(run *r)
{
    mail_letter *m = r->is_last_sent ? r->returning : NULL;
    if (!m) return;
    r->returning = NULL;
    returning_hand(r->task.home, m);
}

void returning_drop(run *r)
{
    if (r->returning && !r->is_last_sent) returning_close(r);
    if (r->returning) mail_free(r->returning);
    r->returning = NULL;
}
