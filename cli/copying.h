/* copying: a data folder as a whole, file by file, synced: FORMAT, secret and the journal, which is what a backup has.
 * The caller sees to it that nobody writes in it meanwhile. */
#ifndef CLI_COPYING_H
#define CLI_COPYING_H

#include "cli/cli.h"

/* Copies the folder `from` to `to`, which is made. CLI_DONE with the bytes in *bytes; else why not was said, and what
 * there is of `to` is removed. */
cli_end copying_make(const char *from, const char *to, unsigned long long *bytes);

/* Removes a folder with all that is in it. */
void copying_remove(const char *path);

/* Checks that nothing has the name `to`, or an empty folder. False: that was said. */
bool copying_may_make(const char *to);

#endif
