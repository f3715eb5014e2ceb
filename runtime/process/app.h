/* app: a program before it serves, and after: its routes and flags are registered, the flags read, all of it freed.
 * Owns the sw_app (runtime/run/program.h), which other rooms only read. Opens no store or socket and starts no thread.
 */
#ifndef RUNTIME_PROCESS_APP_H
#define RUNTIME_PROCESS_APP_H

#include "runtime/process/option_set.h"
#include "runtime/run/program.h"

/* Returns `memory`. NULL ends the process, with a line on standard error: before it serves nothing is lost by that. */
void *app_must(void *memory);

/* A program without routes. Like all that registers, ends the process when there is no memory. */
sw_app *app_new(const char *name);
/* Notes where the program serves: an address that people elsewhere cannot know (any of the machine's, a socket in the
 * file system) is none. */
void app_set_address(sw_app *app, const char *address);
/* Records a wrong call of the program's; app_configure fails with the first of them. Copies the text. */
void app_mistake(sw_app *app, const char *text);
/* Registers a route; a wrong one is a mistake. Copies `route`, takes what `e` owns. */
void app_add(sw_app *app, const char *route, endpoint e);

/* Counts how long a commit took: the store's on_commit, of the app in `arg`. On the journal thread. */
void app_count_commit(void *arg, uint64_t took_us);

/* Reads the flags into app->opt and makes what follows from them. OPTIONS_WRONG: with a message. */
options_result app_configure(sw_app *app, int argc, char **argv, char *error, size_t error_size);
/* Derives app->key, which signs output and stream URLs, from --secret-file or the store's secret. False: the file is of
 * no use, with a message. */
bool app_read_secret(sw_app *app, char *error, size_t error_size);
/* Calls the program's function of sw_on_start, which may add routes. NULL, or why the program does not start: what that
 * function returns, or the first wrong call in it. */
const char *app_begin(sw_app *app);
void app_free(sw_app *app);

#endif
