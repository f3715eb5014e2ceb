/* rocks_log: reads the files that RocksDB appends to, its write-ahead logs and MANIFEST, without RocksDB, which takes a
 * log with damage in the middle as ended there. Owns the bytes of one file. Knows no tables. The framing is described
 * in RocksDB's wiki, "Write Ahead Log File Format", and db/log_format.h: blocks of 32 KiB hold fragments of records,
 * each behind checksum (u32, CRC-32C, masked), length (u16) and type (u8), little endian. */
#ifndef STORAGE_ROCKS_ROCKS_LOG_H
#define STORAGE_ROCKS_ROCKS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rocks_log {
    uint8_t *data;
    size_t len, at;
    uint8_t *record; /* the last one returned, when it came in fragments */
    size_t room;
} rocks_log;

typedef enum rocks_log_result {
    ROCKS_LOG_RECORD,
    ROCKS_LOG_END,        /* all of the file was whole records, then at most zeros */
    ROCKS_LOG_INCOMPLETE, /* the last record is not whole: the machine died while it was written */
    ROCKS_LOG_DAMAGED     /* a record that was whole once is not, or there was no memory for it */
} rocks_log_result;

/* Reads the whole file. False: errno tells why, and there is nothing to close. */
bool rocks_log_open(rocks_log *g, const char *path);
void rocks_log_close(rocks_log *g);

/* The next record, borrowed until the next call. INCOMPLETE, DAMAGED: *broken_at is where the record begins that is not
 * whole. */
rocks_log_result rocks_log_next(rocks_log *g, const uint8_t **record, size_t *len, size_t *broken_at);

/* After damage: moves to the next fragment that is whole and begins a record. False: there is none. */
bool rocks_log_resume(rocks_log *g);

#endif
