/* rocks_places: which segments a memtable remembers the places of. Owns one entry of RocksDB's registry of objects;
 * knows no database. RocksDB's C functions have no such thing, so the file behind this header is C++. */
#ifndef STORAGE_ROCKS_ROCKS_PLACES_H
#define STORAGE_ROCKS_ROCKS_PLACES_H

/* The value of RocksDB's option memtable_insert_with_hint_prefix_extractor, once rocks_places_register was called. */
#define ROCKS_PLACES "stepwell.places"

/* Makes ROCKS_PLACES known to RocksDB's options, once for the process. From any thread. */
void rocks_places_register(void);

#endif
