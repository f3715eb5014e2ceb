#include "runtime/run/begun.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/moment.h"
#include "runtime/base/value.h"
#include "runtime/run/called_by.h"
#include "storage/entry_more.h"

enum { MOMENT_TEXT = 24 /* bytes of a moment as a decimal number, and a zero */ };

/* On disk: docs/internals/journal.md. */
static const char BEGUN_BY[] = "begun_by", FORKED_FROM[] = "forked_from", FORKED_AT[] = "forked_at",
                  FORKED_SPAN[] = "forked_span", SCHEDULED_AT[] = "scheduled_at";

/* Copies a text that fits; else leaves `to` empty. */
static void begun_copy(char *to, size_t room, entry_text t)
{
    bool fits = t.data && t.len < room;
    (void)snprintf(to, room, "%.*s", fits ? (int)t.len : 0, fits ? t.data : "");
}

void begun_read(const entry *started, begun *out)
{
    char scheduled[MOMENT_TEXT];
    called_by caller;
    begun_copy(scheduled, sizeof scheduled, entry_more_find(started->more, SCHEDULED_AT));
    out->scheduled_ms = moment_of(strtoll(scheduled, NULL, 10));
    *out->called_by = 0;
    bool is_called = called_by_read(started, &caller) && caller.depth > 0;
    if (is_called) run_id_format(&caller.parent, out->called_by);
    out->is_detached = is_called && caller.number == 0;
    begun_copy(out->by, sizeof out->by, entry_more_find(started->more, BEGUN_BY));
    begun_copy(out->forked_from, sizeof out->forked_from, entry_more_find(started->more, FORKED_FROM));
    begun_copy(out->forked_span, sizeof out->forked_span, entry_more_find(started->more, FORKED_SPAN));
}

bool begun_pack(msgpack_packer *pk, const char *by, const begun_fork *fork)
{
    char id[RUN_ID_TEXT + 1], span[TRACE_PARENT_TEXT + 1];
    if (by && !(value_pack_text(pk, BEGUN_BY) && value_pack_text(pk, by))) return false;
    if (!fork) return true;
    run_id_format(fork->from, id);
    bool ok = value_pack_text(pk, FORKED_FROM) && value_pack_text(pk, id) && value_pack_text(pk, FORKED_AT) &&
              msgpack_pack_uint64(pk, fork->at) == 0;
    if (!ok || !fork->span) return ok;
    trace_parent_write(fork->span, span);
    return value_pack_text(pk, FORKED_SPAN) && value_pack_text(pk, span);
}

bool begun_pack_scheduled(msgpack_packer *pk, int64_t point_ms)
{
    char text[MOMENT_TEXT];
    (void)snprintf(text, sizeof text, "%" PRId64, point_ms);
    return value_pack_text(pk, SCHEDULED_AT) && value_pack_text(pk, text);
}
