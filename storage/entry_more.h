/* entry_more: what *started* has that is optional (entry.more): a msgpack map of names to values, in any order. Borrows
 * from the bytes and allocates nothing. Bytes that are no such map, and what comes behind damage in one, hold nothing.
 */
#ifndef STORAGE_ENTRY_MORE_H
#define STORAGE_ENTRY_MORE_H

#include "storage/entry.h"

/* Finds the text, or the bytes, of that name; data NULL: it has none, or a value of another type. */
entry_text entry_more_find(entry_text more, const char *name);
/* Finds it for a reader to whom damage is not absence. False: the bytes are no map or end too early before it has been
 * found, or its value is of another type. True with data NULL: there is none. */
bool entry_more_read(entry_text more, const char *name, entry_text *out);

/* Writes to `to` a map of those pairs whose packed values have at most value_max bytes, and returns its length, which
 * is that of `more` at most. `to` NULL: only counts. */
size_t entry_more_copy_small(entry_text more, size_t value_max, char *to);

#endif
