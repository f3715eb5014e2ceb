/* Pieces of the sentences of why. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/base/value.h"
#include "runtime/observe/time_words.h"
#include "runtime/observe/why_core.h"
#include "runtime/run/call_notes.h"
#include "runtime/stepwell.h"

void why_add(why *out, const char *format, ...)
{
    size_t len = strlen(out->text);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(out->text + len, sizeof out->text - len, format, args);
    va_end(args);
}

void why_add_text(why *out, entry_text t, size_t most)
{
    size_t len = t.len > most ? utf8_whole(t.data, most) : t.len;
    why_add(out, "%.*s%s", (int)len, t.len > 0 ? t.data : "", len < t.len ? "..." : "");
}

void why_add_step(why *out)
{
    why_add(out, " (");
    why_add_text(out, out->step, WHY_ID_MAX);
    why_add(out, ")");
}

/* ---- What an attempt failed for ---- */

/* The last call that was answered with this status: one before it was tolerated. Nil: it is not among the calls that
 * the entry has. */
static sw_value cause_call(sw_value calls, int status)
{
    sw_value call = sw_nil();
    for (size_t i = 0; i < sw_len(calls); i++) {
        sw_value one = sw_at(calls, i);
        if (sw_type(one) == SW_ARRAY && sw_as_int(sw_at(one, 2), 0) == status) call = one;
    }
    return call;
}

void why_add_cause(why *out, const why_case *c, const fold_step *s)
{
    const char *error = NULL;
    char asked[TIME_WORDS];
    sw_value calls = sw_nil();
    if (!s || !s->last) return;
    entry e = fold_entry(c->journal, s->last->at);
    int status = call_notes_failed_for(e.calls);
    if (status > 0) (void)value_unpack(c->journal->arena, e.calls.data, e.calls.len, &calls, &error);
    sw_value call = cause_call(calls, status), host = sw_at(call, 1);
    if (status > 0 && sw_type(host) == SW_STRING) {
        why_add(out, " (%d from %.*s", status, (int)host.via.str.size, host.via.str.ptr);
        if (sw_len(call) > 6) why_add(out, ", Retry-After %s", time_words(sw_as_int(sw_at(call, 6), 0), asked));
        why_add(out, ")");
    } else if (e.error.len > 0) {
        why_add(out, " (");
        why_add_text(out, e.error, WHY_ERROR_MAX);
        why_add(out, ")");
    }
}
