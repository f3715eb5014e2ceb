/* suspects: runs of which the process may have died when nobody knows of which one (runtime/recovery/former.h). Each
 * run that was under way at such an end has a row in the table `tries`, from before it is loaded again until its next
 * commit with progress or until it leaves memory alive; so no row is written but after such an end. A run that was
 * under way at two of them is a suspect: suspects are loaded one at a time, while all other runs go on, and if the
 * process dies again with exactly one in memory, the next start stops that one (reason crashes), and the others are
 * suspects no more.
 *
 *     under way ----row on disk--> loaded --its next progress, or it leaves memory--> no row
 *     a suspect --> waits --its solo, row on disk--> loaded, alone --no row any more, or its time is over--> next solo
 *
 * Shared by all loops; what a loop does with a run of its own it does on its thread. NULL for all ordinary starts: no
 * run has a row, and the process before ended well, or for a known reason. A *solo* is the time for which a suspect is
 * in memory without another one. */
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
    bool again;       /* with `unclean`: another process before ended so too, not long ago */
    const char *how;  /* with `unclean`: how it ended, for people */
    int64_t lived_ms; /* how long the process before served: the culprit needs no longer */
    int64_t began_ms; /* Unix: when this process did */
    unsigned loops;
} suspects_options;

/* Reads the table, and stops the culprit if there is one; before anything is loaded. NULL: no run has to be watched, or
 * there is no memory, which is logged. */
suspects *suspects_start(struct store *journals, const suspects_options *o);
void suspects_free(suspects *all); /* NULL is allowed */

/* ---- Of a home with `suspects` ---- */

/* Adds a home, which begins to load runs. */
void suspects_join(struct home *h);
/* Deletes the rows of runs that have ended: the home has slots for all live runs. False: no memory to delete them all,
 * call it again. */
bool suspects_drop_strays(struct home *h);
/* Loads the suspect whose solo has come, if it is of this home and there is a place; any time on the home's thread, and
 * when a run has left memory. */
void suspects_look(struct home *h);

typedef enum suspects_verdict {
    SUSPECTS_PASS,
    SUSPECTS_DELAYED,  /* the run does not go on yet: suspects has its slot loaded again */
    SUSPECTS_NO_MEMORY /* no memory: the slot is still being loaded, and the caller has it loaded again */
} suspects_verdict;

/* Decides whether a slot whose journal has come may go on; `room`: it would get one of the places of --runs-max. */
suspects_verdict suspects_judge(struct home *h, struct slot *s, const struct store_journal *j, bool room);
/* Whether the row of the slot's run says that this process has the run in memory. */
bool suspects_is_raised(const struct slot *s);

/* Takes the letter of a row that is on disk (error NULL), or could not be written. */
void suspects_raised(struct letter *m, const char *error);
/* Ends the run's solo, if it has it: its row goes, since it has got on or has left memory alive. */
void suspects_row_gone(const struct letter *m);

#endif
