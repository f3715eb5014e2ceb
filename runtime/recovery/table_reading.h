/* table_reading: a small table that a start reads whole before what it says is relied on. Owns where the reading is and
 * when it is tried again, never the rows' meaning.
 *
 *     table_reading_try, before the loops turn --all is read--> done
 *          \--it cannot be read--> table_reading_go_on, on the first loop: again after growing pauses, until on_end */
#ifndef RUNTIME_RECOVERY_TABLE_READING_H
#define RUNTIME_RECOVERY_TABLE_READING_H

#include "runtime/base/timers.h"
#include "storage/store.h"

struct home;

/* Its owner zeroes it and sets the first five. It must not move, and stays until no loop turns. */
typedef struct table_reading {
    const char *table;
    const char *what; /* for the log: "WHAT cannot be read yet, which is tried again in 100 ms: ..." */
    bool (*on_row)(void *arg, const store_table_row *row); /* false: no memory; the row comes again */
    void (*on_end)(void *arg);                             /* all rows have come, to table_reading_go_on */
    void *arg;

    struct home *home;
    char last[STORE_ROW_KEY_MAX + 1]; /* key of the last row, and a zero byte: the next page begins behind it */
    size_t last_len;
    bool is_short;   /* there was no memory for a row of the last page */
    bool is_stopped; /* nothing is called any more */
    unsigned tries;  /* pages in a row that failed */
    struct timer retry;
} table_reading;

/* Returns whether all rows have come; else those that have come do not come again. Main thread, no loop turns. */
bool table_reading_try(table_reading *r, store *journals);
/* Goes on, on the home's thread; `retry` is one of the loop's reserved timers (timers_reserve). */
void table_reading_go_on(table_reading *r, struct home *h);
/* Calls nothing any more: the loop drains. Also for one that has ended. */
void table_reading_stop(table_reading *r);

#endif
