/* app: how a program comes to be, from its routes and flags to sw_main, and how it goes. The struct sw_app, which all
 * others read: runtime/run/program.h. */
#ifndef RUNTIME_PROCESS_APP_H
#define RUNTIME_PROCESS_APP_H

#include "runtime/process/option_set.h"
#include "runtime/run/program.h"

/* What has no memory before it serves ends the process: gives `memory` back unless that is NULL. */
void *app_must(void *memory);

/* With no route. Ends the process when there is no memory, as does what registers. */
sw_app *app_new(const char *name);
/* Keeps the text for app_configure to tell; the first mistake is the one to tell. */
void app_mistake(sw_app *app, const char *text);
/* Registers a route. Mistakes are kept in app->mistake. */
void app_add(sw_app *app, const char *route, endpoint e);

/* Reads the flags and makes what follows from them; opens nothing. OPTIONS_WRONG: with a message. */
options_result app_configure(sw_app *app, int argc, char **argv, char *error, size_t error_size);
/* The key of output and stream URLs, from --secret-file or the store. False: with a message. */
bool app_read_secret(sw_app *app, char *error, size_t error_size);
void app_free(sw_app *app);

#endif
