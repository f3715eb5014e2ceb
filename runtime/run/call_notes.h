/* call_notes: which calls an attempt of a step has made, for the attempt's entry. Part of the attempt's context; its
 * notes are in the attempt's arena. Never holds a URL's path, query or user, nor a header: they may be secrets. */
#ifndef RUNTIME_RUN_CALL_NOTES_H
#define RUNTIME_RUN_CALL_NOTES_H

#include <stddef.h>
#include <stdint.h>

#include "http/client/client.h"
#include "storage/entry.h"

struct arena;
struct call_note;

typedef struct call_notes {
    struct call_note *first, *last; /* in the order of their start */
    size_t bytes;                   /* of their texts */
    uint32_t count, left_out;       /* notes; calls for which there is none */
} call_notes;

/* `call` begins; borrowed until its end. `method` and `url` as the handler gave them, the method never NULL. */
void call_notes_begin(call_notes *notes, struct arena *a, const http_call *call, const char *method, const char *url);
/* It is about to be closed, done or not. */
void call_notes_end(call_notes *notes, const http_call *call);
/* What the entry says (docs/internals/journal.md), in `a`; all calls have ended. "": there was none, or no memory for
 * it. `failed_for`: the status of a response that the attempt failed for; 0: none. */
entry_text call_notes_pack(const call_notes *notes, struct arena *a, int failed_for);
/* The status of a response that the attempt failed for, as its entry has it; 0: none. */
int call_notes_failed_for(entry_text calls);

#endif
