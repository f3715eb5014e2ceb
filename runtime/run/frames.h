/* frames: what a run streams to its clients: a growing text of server-sent events and where each ends, in the published
 * durable-endpoint protocol (docs/http.md). Built from the run's entries in journal order, so that a resumed run has
 * the same frames with the same ids. A frame may be sent when its entry is on disk. Counted: the run and each client
 * that still reads hold it, so a slow reader costs a cursor, not a copy. */
#ifndef RUNTIME_RUN_FRAMES_H
#define RUNTIME_RUN_FRAMES_H

#include "runtime/base/arena.h"
#include "runtime/stepwell.h"
#include "storage/entry.h"

typedef struct frames frames;

frames *frames_new(struct arena_cache *arenas); /* held once; NULL: out of memory */
frames *frames_ref(frames *f);
void frames_unref(frames *f); /* NULL is fine */

/* Shows an entry that was appended or read back, if it is of the kind that clients see. False: out of memory. */
bool frames_add(frames *f, const entry *e, uint32_t seq);

/* Everything up to this entry is on disk. */
void frames_durable(frames *f, uint32_t seq);

/* The last frame: the response. `ended` tells how the run ended. False: out of memory. */
bool frames_close(frames *f, const entry *response, entry_ended ended);
bool frames_closed(const frames *f);

uint32_t frames_count(const frames *f);

/* The text of durable frames after number *cursor (0: from the start), about max_bytes and at least one whole frame if
 * there is any; *cursor moves to the last one in it. Valid until the next frame is added. */
sw_bytes frames_next(const frames *f, uint32_t *cursor, size_t max_bytes);

#endif
