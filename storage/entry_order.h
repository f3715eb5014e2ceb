/* entry_order: in which order the entries of a journal can come: the start first and once, an end last, behind which
 * only a reopening goes on; behind each wait what has become of it, once, before each taken signal that signal, and
 * before each result of a call that call, or the reopening by which it waits again. Owns nothing, allocates nothing.
 * Pure: what entries mean is the runtime's. */
#ifndef STORAGE_ENTRY_ORDER_H
#define STORAGE_ENTRY_ORDER_H

#include "storage/entry.h"

/* How far a journal has come; zeroed before its first entry. */
typedef struct entry_order {
    uint32_t count;
    uint32_t waits_open;     /* neither taken nor timed out */
    uint32_t signals_unread; /* taken by no wait */
    uint32_t calls_open; /* that wait for their results, at most: which causes of an end are calls is not looked up */
    bool has_ended;      /* and was not reopened since */
} entry_order;

/* Takes the next entry. Returns NULL, or why it cannot come here: a sentence, static; then *o stays as it was. */
const char *entry_order_take(entry_order *o, const entry *e);
/* Takes all entries in `data`, up to the first that cannot be read or come there. Returns NULL, or why not. */
const char *entry_order_read(entry_order *o, const char *data, size_t len);

#endif
