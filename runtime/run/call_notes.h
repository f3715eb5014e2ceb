/* call_notes: which calls an attempt of a step has made, for the attempt's entry. Part of the attempt's context; the
 * notes lie in the attempt's arena. Never has a URL's path, query or user, nor a header: those may be secrets. */
#ifndef RUNTIME_RUN_CALL_NOTES_H
#define RUNTIME_RUN_CALL_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/client/client.h"
#include "storage/entry.h"

struct arena;
struct call_note;

typedef struct call_notes {
    struct call_note *first, *last; /* in the order of their start */
    size_t bytes;                   /* of the notes' texts */
    uint32_t count;                 /* of the notes */
    uint32_t left_out;              /* calls without a note: no room in the entry, or no memory */
} call_notes;

/* Adds a note of `call`, which begins and is borrowed until call_notes_end. `method` (never NULL) and `url` are copied,
 * as the handler gave them. */
void call_notes_begin(call_notes *notes, struct arena *a, const http_call *call, const char *method, const char *url);
/* Completes the note of a call that is about to be closed, whether it is done or cut. */
void call_notes_end(call_notes *notes, const http_call *call);
/* A call that has not ended. */
typedef struct call_under_way {
    entry_text method, host; /* the note's */
    int64_t began_ms;        /* steady */
    bool answered;           /* the response's head has come */
} call_under_way;

/* Fills *out with the first call behind `after` (NULL: from the first on) that has not ended, and returns its note;
 * NULL: there is none. */
const struct call_note *call_notes_next_open(const call_notes *notes, const struct call_note *after,
                                             call_under_way *out);
/* Returns what the entry says of the calls (entry.calls, docs/internals/journal.md), at most ENTRY_CALLS_MAX bytes in
 * `a`; all calls have ended. "": there was no call, or there is no memory. `failed_for`: the status of a response that
 * the attempt failed for; 0: none. */
entry_text call_notes_pack(const call_notes *notes, struct arena *a, int failed_for);
/* Returns the `failed_for` that call_notes_pack has put into `calls`; 0: none. */
int call_notes_failed_for(entry_text calls);

#endif
