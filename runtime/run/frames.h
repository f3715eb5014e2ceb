/* frames: what a run streams to its clients: a growing text of server-sent events and where each ends, in the published
 * durable-endpoint protocol (docs/http.md). Built from the run's entries in journal order, so a resumed run has the
 * same frames with the same ids. A frame may be sent once its entry is on disk. Reference-counted: the run has one, and
 * each client that still reads, so a slow reader costs a cursor, not a copy. Used on the home's thread alone. */
#ifndef RUNTIME_RUN_FRAMES_H
#define RUNTIME_RUN_FRAMES_H

#include "runtime/base/arena.h"
#include "runtime/stepwell.h"
#include "storage/entry.h"

typedef struct frames frames;

frames *frames_new(struct arena_cache *arenas); /* with one reference; NULL: out of memory */
frames *frames_ref(frames *f);                  /* adds a reference */
void frames_unref(frames *f);                   /* drops one, and with the last one the frames; NULL is fine */

/* Whether the first entry of this kind is a run's first frame. */
static inline bool frames_begin_with(entry_kind kind) { return kind == ENTRY_CHUNK || kind == ENTRY_STATUS; }

/* Adds the frame of an entry that was appended or read back, if clients see its kind. `seq`: the entry's number, in
 * ascending order. False: out of memory, and nothing was added. */
bool frames_add(frames *f, const entry *e, uint32_t seq);

/* Makes the frames of a journal from its entries in order. */
typedef struct frames_builder {
    struct arena_cache *arenas;
    frames *frames;        /* the owner's, with one reference; NULL: nothing was streamed yet */
    entry response, ended; /* kind 0: not there. Borrowed from the journal */
    bool failed;           /* for want of memory: the frames are not to be shown */
} frames_builder;
void frames_build(frames_builder *b, const entry *e, uint32_t seq);

/* Tells that the entries up to `seq` are on disk. */
void frames_durable(frames *f, uint32_t seq);

/* Adds the last frame, the response, which is on disk. `ended`: how the run ended. False: out of memory, and nothing
 * was added. */
bool frames_close(frames *f, const entry *response, entry_ended ended);
bool frames_closed(const frames *f);

uint32_t frames_count(const frames *f); /* also those that may not be sent yet */

/* Returns the text of the frames after number *cursor (0: from the first one) that may be sent: at least one whole
 * frame if there is any, and no further one once max_bytes are reached. Moves *cursor to the last frame of the text,
 * which is valid until a frame is added. */
sw_bytes frames_next(const frames *f, uint32_t *cursor, size_t max_bytes);

#endif
