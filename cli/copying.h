/* copying: a data folder as a whole, file by file, synced: FORMAT, secret and the journal, which is what a backup has.
 * The copy is made beside its place, in a folder with a name of its own, and gets its name when it is whole: what is
 * cut short is never taken for a copy. Owns that folder until then. Never copies a folder that a program works with.
 */
#ifndef CLI_COPYING_H
#define CLI_COPYING_H

#include "cli/cli.h"

typedef struct copying {
    const char *to; /* in the command's arena, as the folder's name */
    char *partial;  /* where the copy is meanwhile: TO.partial-XXXXXX */
    unsigned long long bytes;
} copying;

/* Copies the folder `from`, on which no program can start meanwhile, to k->partial. `to` has to be free, or an empty
 * folder. CLI_DONE: then copying_finish or copying_drop follows. Else why not was said, and nothing is left. */
cli_end copying_begin(copying *k, cli *c, const char *from, const char *to);
/* Gives the copy its name. Else why not was said, and the copy is removed. */
cli_end copying_finish(copying *k);
/* Removes the copy. */
void copying_drop(copying *k);

/* Whether a signal asked the command to end, since copying_begin: whoever works on the copy looks now and then. */
bool copying_is_cut(void);

#endif
