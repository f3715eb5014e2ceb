/* table_reading: a small table that is read whole, page after page: by a start, before what it says is relied on, or
 * again and again, where others write it. Owns where the reading is and when it is tried again, never the rows'
 * meaning.
 *
 *     table_reading_try, before the loops turn --all is read--> done
 *          \--it cannot be read--> table_reading_go_on, on the first loop: again after growing pauses, until on_end
 *     table_reading_begin_later, on the first loop --a pause--> as table_reading_go_on, from the first row */
#ifndef RUNTIME_RECOVERY_TABLE_READING_H
#define RUNTIME_RECOVERY_TABLE_READING_H

#include "runtime/base/timers.h"
#include "storage/row_cursor.h"

struct home;

/* Its owner zeroes it and sets the first five. It must not move, and stays until no loop turns. */
typedef struct table_reading {
    const char *table;
    const char *what; /* for the log: "WHAT cannot be read yet, which is tried again in 100 ms: ..."; NULL: no line */
    bool (*on_row)(void *arg, const store_table_row *row); /* false: no memory; the row comes again */
    void (*on_end)(void *arg);                             /* all rows have come, to table_reading_go_on */
    void *arg;

    struct home *home;
    row_cursor at;    /* behind the last row that was taken */
    bool is_short;    /* there was no memory for a row of the last page */
    bool is_stopped;  /* nothing is called any more */
    unsigned tries;   /* pages in a row that failed */
    struct timer due; /* when the next page is asked for, after a pause */
} table_reading;

/* Returns whether all rows have come; else those that have come do not come again. Main thread, no loop turns. */
bool table_reading_try(table_reading *r, store *journals);
/* Goes on, on the home's thread; `due` is one of the loop's reserved timers (timers_reserve). */
void table_reading_go_on(table_reading *r, struct home *h);
/* Begins with the first row, pause_ms from now, on the home's thread and with its timer likewise: for the first time,
 * or from on_end again. */
void table_reading_begin_later(table_reading *r, struct home *h, uint64_t pause_ms);
/* Calls nothing any more: the loop drains. Also for one that has ended. */
void table_reading_stop(table_reading *r);

#endif
