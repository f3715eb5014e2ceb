/* row_bytes: the bytes of keys and values that all backends have alike (docs/internals/journal.md): numbers, big endian
 * so that keys sort by them, the keys of segments, and expiry rows. Owns nothing, knows no database. */
#ifndef STORAGE_ROW_BYTES_H
#define STORAGE_ROW_BYTES_H

#include "storage/backend.h"

enum { ROW_SEGMENT_KEY_BYTES = RUN_ID_BYTES + 4, ROW_DUE_BYTES = 8 };

/* `bytes`: 1 to 8. */
void row_put_be(uint8_t *to, uint64_t n, int bytes);
uint64_t row_get_be(const uint8_t *from, int bytes);

void row_segment_key(uint8_t key[ROW_SEGMENT_KEY_BYTES], const run_id *id, uint32_t seq);
uint32_t row_segment_seq(const uint8_t key[ROW_SEGMENT_KEY_BYTES]);

/* The key of the expiry row of a run that has ended at ended_ms with the segment. */
void row_expiry_key(uint8_t key[BACKEND_EXPIRY_BYTES], const store_segment *s, int64_t ended_ms);
int64_t row_expiry_ms(const uint8_t key[BACKEND_EXPIRY_BYTES]); /* see backend_expiry */
run_id row_expiry_run(const uint8_t key[BACKEND_EXPIRY_BYTES]);

#endif
