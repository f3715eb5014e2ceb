/* by_hand: a store without threads (store_options.by_hand). Its owner does what the journal thread, the readers and the
 * sweeper do, when it likes, on the one thread that all its loops share: so the order of events can be repeated. */
#ifndef STORAGE_STORE_BY_HAND_H
#define STORAGE_STORE_BY_HAND_H

#include "storage/store.h"

bool store_is_by_hand(const store *s);

/* When the journal thread would have something to do: 0: now, since segments are queued or somebody gave up; else in so
 * many ms of the steady clock, after a failed write; -1: not before that changes. */
int64_t store_hand_write_due_ms(store *s);
/* One turn of it: commits all that is queued, and after a failed write tries, if it is time, to go on. */
void store_hand_write(store *s);

/* Reads, deletions and backups that wait. */
size_t store_hand_reads(const store *s);
/* Does one of them, 0 being the oldest; its answer comes in the next turn of its loop. */
void store_hand_read(store *s, size_t which);

/* One round of retention. */
void store_hand_sweep(store *s);

#endif
