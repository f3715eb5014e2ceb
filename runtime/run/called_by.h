/* called_by: what *started* says (entry.more) of a run that another run has called. Owns nothing. */
#ifndef RUNTIME_RUN_CALLED_BY_H
#define RUNTIME_RUN_CALLED_BY_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "storage/entry.h"
#include "storage/run_id.h"

typedef struct called_by {
    uint32_t depth;      /* how many runs have called one another down to this one; 0: nobody has called it */
    uint32_t number;     /* of the entry *called* in `parent`, from 1, which waits for the result; 0: nobody waits */
    run_id parent;       /* with `depth` */
    int64_t begins_ms;   /* Unix: the run waits until then before it does anything; 0: it does not wait */
    uint32_t generation; /* of `parent`, for which the result is: as of the call, or as that run has said since */
} called_by;

/* Zeros: nobody has called it. False: what it says is damaged. */
bool called_by_read(const entry *started, called_by *out);
/* How many pairs called_by_pack appends to a map of *started*: 1. */
enum { CALLED_BY_PAIRS = 1 };
/* False: no memory. */
bool called_by_pack(msgpack_packer *pk, const called_by *by);

#endif
