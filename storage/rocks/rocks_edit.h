/* rocks_edit: reads from the records of a MANIFEST (RocksDB's db/version_edit.h) which logs are still needed. Allocates
 * nothing, and reads nothing but the bytes that it is given. */
#ifndef STORAGE_ROCKS_ROCKS_EDIT_H
#define STORAGE_ROCKS_ROCKS_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROCKS_EDIT_TABLES = 32 };

typedef struct rocks_edits {
    uint64_t log[ROCKS_EDIT_TABLES]; /* number of the first log that the table needs, by the table's number */
    bool there[ROCKS_EDIT_TABLES];   /* the table exists */
    uint64_t logs_from;              /* no log with a lower number is needed; 0: the MANIFEST does not say */
} rocks_edits;

/* Adds what one record tells. False: the record holds what this program does not know. */
bool rocks_edit_read(rocks_edits *e, const uint8_t *record, size_t len);
/* The number of the first log that any table needs. */
uint64_t rocks_edits_first_log(const rocks_edits *e);

/* Reads a varint as RocksDB's files have them (util/coding.h), and moves *at behind it. False: it does not end before
 * `end`. */
bool rocks_varint(const uint8_t **at, const uint8_t *end, uint64_t *n);
/* Reads a text that stands behind its length, a varint, and moves *at behind it. False: it does not end before `end`.
 */
bool rocks_prefixed(const uint8_t **at, const uint8_t *end, const uint8_t **text, size_t *len);

#endif
