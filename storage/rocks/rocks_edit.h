/* rocks_edit: what the records of a MANIFEST (RocksDB's db/version_edit.h) tell of logs. Allocates nothing. */
#ifndef STORAGE_ROCKS_ROCKS_EDIT_H
#define STORAGE_ROCKS_ROCKS_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROCKS_EDIT_TABLES = 32 };

typedef struct rocks_edits {
    uint64_t log[ROCKS_EDIT_TABLES]; /* first log that the table needs, by its number */
    bool there[ROCKS_EDIT_TABLES];
    uint64_t keep; /* logs below are not needed; 0: not said */
} rocks_edits;

/* Takes one record. False: it holds what this program does not know. */
bool rocks_edit_read(rocks_edits *e, const uint8_t *record, size_t len);
/* The first log that any table needs. */
uint64_t rocks_edits_first_log(const rocks_edits *e);

/* A varint as RocksDB's files have them (util/coding.h); false: it does not end before `end`. */
bool rocks_varint(const uint8_t **at, const uint8_t *end, uint64_t *n);
/* Text behind its length. */
bool rocks_prefixed(const uint8_t **at, const uint8_t *end, const uint8_t **text, size_t *len);

#endif
