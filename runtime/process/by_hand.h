/* by_hand: a program whose loops the caller turns, on one thread, with a store by hand (storage/store_by_hand.h), so
 * that the order of everything that happens can be repeated. Owns the app and all that it opens. Never does what
 * sw_main does for a process: signals, supervisor, watchers. A data folder it has if it is to know of which run the
 * process before has died. */
#ifndef RUNTIME_PROCESS_BY_HAND_H
#define RUNTIME_PROCESS_BY_HAND_H

#include "runtime/process/app.h"

typedef struct by_hand_options {
    struct backend *backend; /* taken, also when the program cannot be opened */
    const int *listeners;    /* a listening socket for each loop; taken too */
    unsigned loops;
    unsigned aside_threads; /* 0: the loop does their work, in its next turn, so that it comes in a known order */
    bool has_index;         /* the store keeps one; whoever turns the loops has to do the indexer's work too */
    bool has_folder;        /* --data is one: for everything but the journal */
    bool ended_well;        /* without a folder: the last process with this data had drained */
} by_hand_options;

/* Reads the flags, opens the store and makes app->loops, which recover in their first turns (uv_run of each loop's
 * `uv`). False with a message: then only app_free is left to do. */
bool by_hand_open(sw_app *app, int argc, char **argv, const by_hand_options *options, char *error, size_t error_size);
/* Tells all loops to drain; they do so while the caller turns them. */
void by_hand_drain(sw_app *app);
/* Closes the store and frees the app. To be called when all loops have drained and uv_run says that nothing is left. */
void by_hand_close(sw_app *app);

#endif
