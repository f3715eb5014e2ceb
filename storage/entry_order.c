#include "storage/entry_order.h"

const char *entry_order_take(entry_order *o, const entry *e)
{
    if ((e->kind == ENTRY_STARTED) != (o->count == 0)) return "its first entry is not its start, or it has two";
    if (o->has_ended && e->kind != ENTRY_REOPENED) return "there is an entry behind its end";
    if (!o->has_ended && e->kind == ENTRY_REOPENED) return "it was reopened, and had not ended";
    bool decides = e->kind == ENTRY_TAKEN || e->kind == ENTRY_TIMED_OUT;
    if (decides && o->waits_open == 0) return "a wait is decided that has not begun, or was decided before";
    if (e->kind == ENTRY_TAKEN && o->signals_unread == 0) return "a wait has taken a signal that is not there";
    if (e->kind == ENTRY_RETURNED && o->calls_open == 0) return "a call has a result that was not made, or had one";
    o->calls_open += (uint32_t)(e->kind == ENTRY_CALLED && !e->detached) - (e->kind == ENTRY_RETURNED);
    if (e->kind == ENTRY_REOPENED) o->calls_open += (uint32_t)entry_cause_count(e); /* some of them may be calls */
    o->waits_open += (uint32_t)(e->kind == ENTRY_WAIT) - decides;
    o->signals_unread += (uint32_t)(e->kind == ENTRY_SIGNAL) - (e->kind == ENTRY_TAKEN);
    o->has_ended = e->kind == ENTRY_ENDED;
    o->count++;
    return NULL;
}

const char *entry_order_read(entry_order *o, const char *data, size_t len)
{
    const char *error = NULL;
    entry e;
    for (size_t at = 0, n; at < len && !error; at += n) {
        n = entry_decode(data + at, len - at, &e, &error);
        if (n == 0) break;
        error = entry_order_take(o, &e);
    }
    return error;
}
