#include "runtime/run/stop.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/utf8.h"

static const struct {
    const char *name, *text;
    bool refuses;
} reasons[STOP_REASONS] = {
    [STOP_NONE] = {"", "", false},
    [STOP_OPERATOR] = {"operator", "the run was stopped by an operator", false},
    [STOP_CRASHES] = {"crashes", "the run is stopped: the server has died of it again and again", true},
    [STOP_EXHAUSTED] = {"exhausted", "the run is stopped: a step has failed for good", false},
    [STOP_DIFFERS] = {"differs", "the run is stopped: its program now differs from what it has done", false},
    [STOP_UNDO] = {"undo failed", "the run is stopped: an undo has failed for good", false},
    [STOP_UNKNOWN] = {"unknown", "the run is stopped", false},
    [STOP_NO_ENDPOINT] = {"no endpoint", "the run is stopped: the program has no such endpoint any more", true},
    [STOP_UNREADABLE] = {"unreadable", "the run is stopped: its journal could not be read", true},
    [STOP_NEWER] = {"newer", "the run is stopped: a newer version of the program wrote its journal", true},
    [STOP_NOT_RESUMED] = {"not resumed", "the run is stopped: the server was started with --no-resume", false}};

_Static_assert((int)STOP_UNKNOWN == (int)ENTRY_STOPS_END, "reasons of entries come first, with their numbers");
_Static_assert(STOP_NONE == 0, "a zeroed cause has no reason");

stop_reason stop_of_entry(const entry *stopped)
{
    assert(stopped->kind == ENTRY_STOPPED);
    int n = stopped->status;
    return n > ENTRY_STOP_NONE && n < ENTRY_STOPS_END ? (stop_reason)n : STOP_UNKNOWN;
}

const char *stop_name(stop_reason reason)
{
    assert(reason < STOP_REASONS && reasons[reason].name);
    return reasons[reason].name;
}

const char *stop_text(stop_reason reason)
{
    assert(reason < STOP_REASONS && reasons[reason].text);
    return reasons[reason].text;
}

bool stop_refuses(stop_reason reason)
{
    assert(reason < STOP_REASONS);
    return reasons[reason].refuses;
}

static void stop_copy(char *to, size_t size, entry_text text)
{
    static const char cut_mark[] = "...";
    const char *end = "";
    assert(size > sizeof cut_mark);
    if (text.len >= size) {
        text.len = utf8_whole(text.data, size - sizeof cut_mark);
        end = cut_mark;
    }
    assert(text.len + strlen(end) < size);
    if (text.len > 0) memcpy(to, text.data, text.len);
    memcpy(to + text.len, end, strlen(end) + 1);
}

void stop_describe(stop_cause *why, entry_text said, entry_text by)
{
    stop_copy(why->said, sizeof why->said, said);
    stop_copy(why->by, sizeof why->by, by);
    if (why->reason == STOP_EXHAUSTED) memcpy(why->detail, why->said, sizeof why->detail);
}

void stop_tell(const stop_cause *why, char *out, size_t size)
{
    const char *colon = *why->said ? ": " : "";
    assert(why->reason != STOP_NONE);
    if (*why->by)
        (void)snprintf(out, size, "%s has stopped the run already%s%s", why->by, colon, why->said);
    else
        (void)snprintf(out, size, "the run is stopped already (%s)%s%s", stop_name(why->reason), colon, why->said);
}
