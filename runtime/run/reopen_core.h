/* reopen_core: what the files of reopening share: an operator's wish that a run goes on after its end (reopen.c), and
 * that of the run which has called it (reopen_call.c). */
#ifndef RUNTIME_RUN_REOPEN_CORE_H
#define RUNTIME_RUN_REOPEN_CORE_H

#include <sys/queue.h>

#include "runtime/run/letter.h"
#include "runtime/run/reopen.h"
#include "runtime/run/replay.h"

typedef struct reopening {
    LIST_ENTRY(reopening) in_home;
    struct home *home;
    run_id run;
    uint32_t wanted;       /* wish.generation */
    const store_row *mark; /* wish.mark */
    int64_t timeout_ms;
    char by[LETTER_BY_MAX + 1];
    reopen_done_fn done; /* NULL: with `from` */
    void *arg;
    enum {
        REOPENING_ASKED, /* its slot is to be loaded */
        REOPENING_READ,  /* its journal is being read, beside its slot, for which generation it is in */
        REOPENING_WRITTEN
    } state;
    unsigned reads;      /* so far, with REOPENING_READ */
    uint32_t generation; /* the one that begins; with REOPENING_WRITTEN */
    run_id caller;       /* the run that has called it, with has_caller: for which the result is */
    bool has_caller;
    letter *from;          /* of the run that has called it, whose wish it is; owned. NULL: it is an operator's */
    letter_call call;      /* with `from` */
    size_t told_bytes;     /* of the letter that tells the caller of it, in gate.open_bytes until it is on disk */
    letter *children;      /* have the runs that it has called go on, too; they go with its entry. Owned */
    msgpack_sbuffer entry; /* borrowed by the segment */
    store_segment segment;
} reopening;

/* What a journal of an ended run says beyond its replay. */
typedef struct reopen_sight {
    bool is_old; /* a step has failed for good in version 0.1, which did not say which failures ended the run */
} reopen_sight;

reopening *reopening_find(const struct home *h, const run_id *id);
/* A wish without anything; NULL: no memory. */
reopening *reopening_make(struct home *h, const run_id *run, const char *by);
/* Forgets the wish, and what it owns. */
void reopening_free(reopening *q);

/* For replay_new; `arg` is a reopen_sight. */
void reopen_on_entry(void *arg, const entry *e, uint32_t seq);
/* Returns why a run that has ended without success is not reopened; NULL: it is. */
const char *reopening_objection(const struct home *h, const replay *p, const reopen_sight *see);
/* When the run is over its deadline. One that is to go on for its caller has as long as that has, and no longer than
 * its call says; 0: it has none. */
int64_t reopening_due_ms(const reopening *q, const replay *p, const clock_instant *now);
/* Why it cannot be reopened at this moment; NULL: it can. */
const char *reopening_hindrance(const reopening *q, const struct slot *s);
/* Makes the entry, and the letters to the runs that the run has called: `p` is then as behind the entry. False: no
 * memory. */
bool reopening_encode(reopening *q, arena *a, replay *p);
/* Sends them, at the end of a journal of so many entries, in the commit that deletes q->from. */
void reopening_write(reopening *q, struct slot *s, uint32_t entries);

/* ---- reopen_call.c ---- */

/* The commit of a wish with `from` has come back. */
void reopening_settle_call(reopening *q);

#endif
