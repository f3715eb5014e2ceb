/* suspects: runs of which the process may have died when nobody knows of which one (runtime/recovery/former.h). Each
 * run that was under way at such an end has a row in the table `tries`, from before it is loaded again until its next
 * commit or until it leaves memory alive; so no row is written but after such an end. A run that was under way at two
 * of them is a suspect: suspects are loaded one at a time, while all other runs go on, and if the process dies again
 * with exactly one in memory, the next start stops that one (reason crashes), and the others are suspects no more.
 *
 *     under way ----row on disk--> loaded --its next commit, or it leaves memory--> no row
 *     a suspect --> waits --its turn, row on disk--> loaded, alone --no row any more, or its time is over--> next turn
 *
 * Shared by all loops; what a loop does with a run of its own it does on its thread. NULL for all ordinary starts: no
 * run has a row, and the process before ended well, or for a known reason. */
#ifndef RUNTIME_RUN_SUSPECTS_H
#define RUNTIME_RUN_SUSPECTS_H

#include <stdbool.h>
#include <stdint.h>

struct home;
struct letter;
struct slot;
struct store;
struct store_journal;
typedef struct suspects suspects;

typedef struct suspects_options {
    bool unclean;     /* the process before ended for an unknown reason */
    bool again;       /* and the one before it too, not long ago */
    const char *how;  /* with unclean: how, for people */
    int64_t lived_ms; /* how long that one served: the culprit needs no longer */
    int64_t began_ms; /* Unix: when this process did */
    unsigned loops;
} suspects_options;

/* Reads the table, stops the culprit if there is one. NULL: nobody has to be watched, or memory is out. Before anything
 * is loaded. */
suspects *suspects_start(struct store *journals, const suspects_options *o);
void suspects_free(suspects *all); /* NULL is allowed */

/* ---- Of a home with `suspects` ---- */

/* It begins to load runs. */
void suspects_join(struct home *h);
/* It has slots for all live runs: rows of others lead to nothing. False: no memory to delete them all, call it again.
 */
bool suspects_drop_strays(struct home *h);
/* Whether somebody's turn has come, and there is a place; any time on the home's thread, and when a run has left
 * memory. */
void suspects_look(struct home *h);

typedef enum suspects_verdict {
    SUSPECTS_PASS,
    SUSPECTS_DELAYED,  /* it does not go on yet: suspects has it loaded again */
    SUSPECTS_NO_MEMORY /* no memory: the slot is still being loaded, and the caller has it loaded again */
} suspects_verdict;

/* The journal of a slot that is being loaded has come; `room`: it would get one of the places of --runs-max. */
suspects_verdict suspects_judge(struct home *h, struct slot *s, const struct store_journal *j, bool room);
/* The row of its run says that this process has it in memory. */
bool suspects_is_raised(const struct slot *s);

/* The row is on disk (error NULL), or not. Takes the letter. */
void suspects_raised(struct letter *m, const char *error);
/* Its row goes: the run has got on, or has left memory alive. */
void suspects_row_gone(const struct letter *m);

#endif
