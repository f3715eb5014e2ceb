/* notice: tells the node that owns a run that another node has written something for it: a letter, or the run's first
 * entries. A row of the table `notices` (docs/internals/journal.md, *Other nodes*), written in the commit of that, and
 * deleted by the owner's lookout (runtime/run/lookout.h) when it has seen it. A node that is alone writes none. */
#ifndef RUNTIME_RUN_NOTICE_H
#define RUNTIME_RUN_NOTICE_H

#include "runtime/run/letter.h"
#include "storage/store.h"

struct home;

extern const char notice_table[]; /* "notices" */

enum {
    NOTICE_KEY_BYTES = 1 + LETTER_KEY_BYTES, /* slot in the cluster, run, number of the letter */
    NOTICE_VALUE_BYTES = 8,
    NOTICE_OF_BEGIN = 0 /* in place of a letter's number: the run has begun */
};

/* What a notice says. */
typedef struct notice_news {
    run_id run;
    uint64_t number; /* of the letter in the inbox, or NOTICE_OF_BEGIN */
    uint64_t about;  /* NOTICE_OF_BEGIN: when the run is due, Unix ms, 0: now; a signal: the question that it answers */
} notice_news;

typedef struct notice {
    store_row row;
    uint8_t key[NOTICE_KEY_BYTES], value[NOTICE_VALUE_BYTES];
} notice;

/* Makes the notice; *out NULL: none is needed, the run is of this node. False: no memory. */
bool notice_make(const struct home *h, const notice_news *news, notice **out);
/* Returns the row of the notice, which may be NULL, with `then` behind it. */
const store_row *notice_row(notice *n, const store_row *then);

void notice_write_key(const run_id *run, uint64_t number, uint8_t key[NOTICE_KEY_BYTES]);
/* False: the row is no notice. */
bool notice_read(const store_table_row *row, notice_news *out);

#endif
