/* store_by_hand: a store without threads (store_options.by_hand). Its owner does the work of the journal thread, the
 * readers, the sweeper and the indexer, in the order it likes, on the one thread that all its loops share: so the order
 * of events can be repeated. */
#ifndef STORAGE_STORE_BY_HAND_H
#define STORAGE_STORE_BY_HAND_H

#include "storage/store.h"

bool store_is_by_hand(const store *s);

/* In how many ms of the steady clock the journal thread would have something to do. 0: now, since segments are queued
 * or somebody has given up; above 0: it will try again after a failed write; -1: nothing before something is queued. */
int64_t store_hand_write_due_ms(store *s);
/* Does one round of the journal thread: commits all that is queued, and after a failed write tries, if it is time, to
 * write again. */
void store_hand_write(store *s);

/* How many reads, deletions and backups wait. */
size_t store_hand_reads(const store *s);
/* Does one of these, 0 being the oldest; its callback comes in the next turn of its loop. */
void store_hand_read(store *s, size_t which);

/* Does one round of retention. */
void store_hand_sweep(store *s);
/* Does one round of the indexer of a store that keeps an index, if the database takes writes. */
void store_hand_index(store *s);

#endif
