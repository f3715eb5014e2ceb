/* entry_json: an entry of the journal as JSON, and the parts of entries that other documents show too. Owns nothing:
 * the caller has the writer. */
#ifndef RUNTIME_OBSERVE_ENTRY_JSON_H
#define RUNTIME_OBSERVE_ENTRY_JSON_H

#include "runtime/base/json_writer.h"
#include "storage/entry.h"

/* What the entry says, as the next element. */
void entry_json_put(json_writer *w, const entry *e);
/* A msgpack value as the member `name`; nothing if it is empty or damaged. */
void entry_json_packed(json_writer *w, const char *name, entry_text packed);
/* A text as a value, which borrows it. */
msgpack_object entry_json_text(entry_text t);
/* What a run has used, as members. */
void entry_json_used(json_writer *w, const int64_t used[ENTRY_USED]);
/* The target of a request as the member "target". */
void entry_json_target(json_writer *w, entry_text target);
/* The calls of an attempt as the member "calls", and "callsLeftOut"; nothing if there were none. */
void entry_json_calls(json_writer *w, entry_text packed);
/* What the step or call was given, as the member "input"; "inputLeftOut": bytes of one that the entry has not for its
 * length. Nothing if the entry says nothing of an input. */
void entry_json_input(json_writer *w, const entry *e);

/* Writes the member "child": the id of the run that was called; nothing, if `child` is none. */
void entry_json_child(json_writer *w, entry_text child);

#endif
