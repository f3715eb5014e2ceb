/* What the files of the index share: what it is told (index_feed.c), the rows that it writes (index_batch.c), runs that
 * changed (index_apply.c), the newest runs (index_open.c), ranges that are not counted (index_count.c), and its work
 * (run_index.c). */
#ifndef STORAGE_INDEX_CORE_H
#define STORAGE_INDEX_CORE_H

#include <pthread.h>

#include "storage/run_index.h"

enum {
    INDEX_EVENTS_MAX = 262144, /* told and not yet taken; of each of the two buffers */
    INDEX_EVENTS_FIRST = 1024, /* for which each buffer has room from the start */
    TALLY_RUNS = 1000,
    TALLY_SLOT_MS =
        600000, /* all runs of a tally began in one such slot of time, so that those of an hour can be told */
    TALLY_RECENT_SLOTS = 12,   /* unless it is older than so many */
    INDEX_ROWS_AT_ONCE = 4096, /* of one write, about */
    INDEX_MARKS_OF_BATCH = 8,
    INDEX_MARKS_MAX = 1024 /* that the indexer has to delete */
};

typedef enum index_what {
    INDEX_BEGAN,   /* its first commit: the run goes on */
    INDEX_CHANGED, /* something that lists tell of it is different */
    INDEX_REOPENED,
    INDEX_ENDED,
    INDEX_WHOLE, /* its first commit was its last */
    INDEX_GONE
} index_what;

typedef struct index_event {
    run_id run;
    const char *function, *version; /* valid as long as the index; NULL: they are in the journal */
    index_what what;
    run_fate fate; /* of ENDED and WHOLE with a function */
} index_event;

typedef struct index_events {
    index_event *list; /* doubles, and stays as large as it was needed once */
    size_t count, room;
} index_events;

/* One of the newest runs. */
typedef struct open_run {
    run_id run;
    const char *function, *version; /* NULL: they are in the journal */
    run_fate fate;
    bool has_more; /* its row is to have what is in the journal alone */
} open_run;

/* A row to be written; its bytes lie in the batch's `bytes`. */
typedef struct batch_row {
    uint8_t key[INDEX_KEY_BYTES];
    bool is_delete;
    size_t at, len;
} batch_row;

typedef struct index_batch {
    batch_row *rows;
    size_t count, room;
    msgpack_sbuffer bytes;
    bool lacks_memory; /* something could not be added: the batch is not written */
} index_batch;

typedef struct index_mark {
    run_id run;
    index_kind kind; /* INDEX_MARK, INDEX_MARK_FROM */
} index_mark;

typedef struct index_marks {
    /* Under the index's lock. */
    bool is_blind;     /* the floor is not known: each commit gets its mark */
    run_id below;      /* else those about runs below this one: the floor, or what it is about to become */
    bool is_expecting; /* the commit under way is about runs that have no mark */
    run_id expected;   /* the lowest of them */
    bool is_owed;      /* the floor rose above `expected` meanwhile, and the indexer has written their mark */
    run_id owed;       /* where it begins */
    index_mark told[INDEX_MARKS_MAX]; /* to be deleted: their commits are told */
    size_t told_count;

    /* The journal thread's: marks in the commit under way. */
    index_mark batch[INDEX_MARKS_OF_BATCH];
    size_t batch_count;
    uint8_t keys[INDEX_MARKS_OF_BATCH][INDEX_KEY_BYTES];
    store_row rows[INDEX_MARKS_OF_BATCH];
    store_segment segment;

    /* The indexer's: what `told` was. */
    index_mark taken[INDEX_MARKS_MAX];
    size_t taken_count;
} index_marks;

struct run_index {
    backend *b;
    size_t tally_runs; /* of a tally when it is made: TALLY_RUNS, less in tests */
    int64_t slot_ms;   /* TALLY_SLOT_MS, less in tests */
    int64_t now_ms;    /* the indexer's: of the last take */
    size_t events_max; /* INDEX_EVENTS_MAX, less in tests */
    pthread_mutex_t lock;
    pthread_cond_t room; /* `late` has room again */

    /* Under the lock. */
    bool is_ready;    /* readers may go by the table */
    bool is_given_up; /* see run_index_give_up */
    bool is_lost;     /* events found no room: all runs from lost_from on may have changed */
    run_id lost_from;
    bool is_unchecked;   /* events of runs with a row found no room: all rows are to be checked again */
    run_id floor;        /* zeros: not known, and all events are `fresh` */
    uint64_t generation; /* see index_view */
    index_events fresh;  /* of runs from the floor on */
    index_events late;   /* of runs below it */
    index_events busy;   /* of runs below it, which the indexer is writing */
    tally open_sum;      /* of the open runs, from the floor on */
    index_marks marks;

    /* The indexer's. */
    bool has_begun;
    index_events taken;      /* what `fresh` was, by id */
    index_events late_taken; /* what `late` was, by id */
    index_events spare;      /* for sorting */
    open_run *open;          /* runs from the floor on, by id */
    size_t open_count, open_room;
    run_id next_floor; /* with what is in the batch */
    text_pool names;
    index_batch batch;
    bool has_counted;   /* nothing below the floor is left to be counted */
    run_id count_below; /* the ranges from here on are counted */
    bool has_checked;   /* every row was held against the live table since the begin */
    run_id check_below; /* those from here on were */
    bool wants_merge;   /* small tallies were made */
    bool is_broken;     /* a row of the table is damaged: it is made anew */
    unsigned unread;    /* scans that failed since all was well: damage, or the database is not open at the moment */
};

/* ---- index_feed.c ---- */

/* False: no memory; index_feed_free frees what was made. */
bool index_feed_begin(run_index *x);
void index_feed_free(run_index *x);
/* Moves what was told into `taken` and `late_taken`, by id; events of one run in their order. True: events were lost,
 * of runs from *lost_from on. */
bool index_feed_take(run_index *x, run_id *lost_from);
/* Sorts the events by id: INDEX_EVENTS_FIRST at most, or as many as were taken. */
void index_events_sort(run_index *x, index_events *e);
/* Under the lock: nothing of what is being written is known to be on disk, so it is late again. */
void index_feed_restore(run_index *x);
/* Under the lock: an event of a run below the floor; and: events of runs from that one on are lost. */
void index_feed_late(run_index *x, const index_event *e);
void index_feed_lose(run_index *x, const run_id *id);
/* Under the lock: the floor is `floor` now. What was told of runs below it is late; of those from `uncounted` on up to
 * the floor nothing is known anyway. */
void index_feed_raise(run_index *x, const run_id *floor, const run_id *uncounted);
/* The last event of the run that e->list[*next] is about, or that the run is gone; *next is then the first one of
 * another run. *is_first: the run's first commit is among them. */
index_event index_event_fold(const index_events *e, size_t *next, bool *is_first);
/* `busy` is on disk. */
void index_feed_done(run_index *x);

/* ---- index_batch.c ---- */

void index_batch_put(run_index *x, index_kind kind, const run_id *id, size_t from);
void index_batch_delete(run_index *x, index_kind kind, const run_id *id);
void index_batch_put_tally(run_index *x, const tally *t);
/* Deletes the rows of runs with lo <= id < hi. False: they cannot be read. */
bool index_batch_delete_runs(run_index *x, const run_id *lo, const run_id *hi);
/* Writes the batch, with the cursor at next_floor, and publishes that as the floor. False: nothing is written, and the
 * index has to begin again. */
bool index_batch_write(run_index *x);
/* As index_batch_write; afterwards nothing is known of the runs from `uncounted` on up to next_floor. */
bool index_batch_write_uncounted(run_index *x, const run_id *uncounted);
/* Reads rows of the table. False: they cannot be read. */
bool index_scan(run_index *x, const store_range *range, backend_on_row *on_row, void *arg);
/* Leaves what was not written, and makes readers do without the index until it has begun again. */
void index_batch_drop(run_index *x);

/* ---- index_marks.c ---- */

/* Under the lock: the commit under way is on disk, or is not. */
void index_marks_settle(run_index *x, bool is_done);
/* The batch, with which the floor rises to next_floor, is about to be written: adds the mark of a commit under way. */
void index_marks_raise(run_index *x);
/* Under the lock: moves what was told into `taken`. */
void index_marks_take(index_marks *m);
/* Adds the deletion of what was taken to the batch, in which all is that the marks stand for. */
void index_marks_delete(run_index *x);
/* Obeys the marks of the table: lowers *from, below which ranges are counted, and tells itself of single runs. False:
 * they cannot be read. */
bool index_marks_begin(run_index *x, run_id *from);

/* ---- index_apply.c ---- */

/* How the run stands, as the journal has it. Its texts are those of *s, which glance_free frees in any case. `fate` 0:
 * there is no such run. False: it cannot be found out at the moment. */
bool index_look(run_index *x, const run_id *id, index_run *out, store_summary *s);
/* Adds the run to the tally, and puts its row unless it has succeeded and has no labels. */
void index_add(run_index *x, tally *t, const run_id *id, const index_run *r);
/* Adds to the batch what the events, sorted, change in the table. False: the table cannot be read, or is damaged. */
bool index_apply(run_index *x, const index_events *e);
/* Finds the newest tally that begins before that id. False, if *ok: there is none. */
bool index_find_tally(run_index *x, const run_id *before, tally *out, bool *ok);

/* ---- index_open.c ---- */

bool index_open_take(run_index *x, const index_events *e);
/* Makes tallies of open runs that began before that moment: of as many as a tally has, or of all of a slot that is
 * over.
 */
bool index_open_close(run_index *x, int64_t before_ms);
/* Finds out what is not known of the runs that stay open. */
void index_open_resolve(run_index *x);
/* Counts the open runs from next_floor on. The caller frees it. */
tally index_open_sum(const run_index *x);
/* Under the lock: makes `sum`, which it takes, what readers count. */
void index_open_publish(run_index *x, const tally *sum);

/* ---- index_count.c ---- */

/* Makes everything from that id on uncounted, and begins anew with the newest. */
bool index_forget(run_index *x, const run_id *from);
/* Counts a part of what is not counted. */
bool index_count_some(run_index *x);
/* Makes one tally of two that are small, and of slots that nobody asks for any more. */
bool index_merge_some(run_index *x);
/* Looks whether runs have ended, or were reopened, without a notice. */
bool index_check_some(run_index *x);

#endif
