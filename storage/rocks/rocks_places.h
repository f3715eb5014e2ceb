/* rocks_places: which segments a memtable remembers the places of. Owns one entry of RocksDB's registry of objects;
 * knows no database. RocksDB's C functions have no such thing, so the file behind this header is C++. */
#ifndef STORAGE_ROCKS_ROCKS_PLACES_H
#define STORAGE_ROCKS_ROCKS_PLACES_H

#include <stdbool.h>

#include "storage/rocks/rocks_seq.h"
#include "storage/row_bytes.h"

/* The value of RocksDB's option memtable_insert_with_hint_prefix_extractor, once rocks_places_register was called. */
#define ROCKS_PLACES "stepwell.places"

/* Makes ROCKS_PLACES known to RocksDB's options, once for the process. From any thread. */
void rocks_places_register(void);

/* Whether a memtable is to remember the place of a segment with this key. Not of a run's first segment. Most runs have
 * no other, and nobody comes back to their places: each would cost 280 bytes, and a search where the place behind the
 * last run's would do. Also, a range of keys that is deleted begins with a run's first one, and RocksDB 7.8 would take
 * the place of the memtable's for one in its list of deleted ranges. Nor of a segment without entries: it comes once,
 * right behind another one of the run. */
static inline bool rocks_places_has(const uint8_t key[ROW_SEGMENT_KEY_BYTES])
{
    uint32_t seq = row_segment_seq(key);
    return seq > 0 && seq < ROCKS_SEQ_END;
}

#endif
