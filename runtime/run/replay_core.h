/* replay_core: what the files of a replay share: reading a journal (replay.c), and what the code and others ask of it
 * (replay_ask.c). */
#ifndef RUNTIME_RUN_REPLAY_CORE_H
#define RUNTIME_RUN_REPLAY_CORE_H

#include "runtime/run/replay.h"

typedef struct chunk_count {
    uint64_t branch; /* its path */
    uint32_t count;  /* chunks streamed by its own code, outside steps */
} chunk_count;

/* A signal that is the run's, and that no wait has taken. */
typedef struct replay_signal {
    struct replay_signal *next;
    entry signal;
} replay_signal;

/* One time that the run stood still: from a stop to its release. */
typedef struct stand {
    struct stand *next;
    clock_mark from, to;
} stand;

struct replay {
    arena *arena;                   /* the run's; everything here is in it */
    replay_record *records;         /* hash table by path, open addressing; kind 0: the cell is free */
    size_t cells;                   /* of the table, a power of two */
    size_t count;                   /* records */
    size_t uncounted;               /* records that do not tell how far the journal goes: record_counts is false */
    size_t used;                    /* other records that the code has come to */
    size_t branches, branches_used; /* records of kind ENTRY_BRANCH; of these the code has come to */
    size_t patches, patches_used;   /* records of kind ENTRY_PATCH */
    chunk_count *chunks;            /* one for each branch that streamed outside steps: few */
    size_t chunk_branches, chunk_room;
    uint64_t *abandoned; /* paths of members that were given up: hash table, open addressing; 0: free */
    size_t abandoned_cells, abandoned_count;
    size_t streamed, streamed_used; /* chunks streamed outside steps; of these the code has come to */
    size_t remarked, remarked_used; /* remarks made outside steps; of these the code has come to */
    entry started, response, ended, cancel, stopped, reopened;
    replay_signal *unread, **unread_end; /* in order */
    stand *stands;
    int64_t last_ms;
    uint32_t entries;
    unsigned crashes; /* since the last progress */
};

/* Returns the cell of the path, or the free cell where it belongs. */
static inline replay_record *replay_cell(replay_record *table, size_t cells, uint64_t path)
{
    assert((cells & (cells - 1)) == 0); /* a power of two */
    size_t i = (size_t)path & (cells - 1);
    while (table[i].kind && table[i].path != path) i = (i + 1) & (cells - 1);
    return &table[i];
}

/* A wait has taken the signal at *at. Each wait that is open looks through those that nobody has taken, so the others
 * leave the list. */
static inline void replay_unlink_signal(replay *p, replay_signal **at)
{
    *at = (*at)->next;
    if (!*at) p->unread_end = at;
}

/* Whether the code's coming to such a record tells how far the journal goes. Not so of a branch, which has no result,
 * nor of remarks, of which many have one record. */
static inline bool record_counts(entry_kind kind) { return kind != ENTRY_BRANCH && !entry_is_remark(kind); }

#endif
