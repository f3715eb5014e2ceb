/* settings_start: reads the settings (runtime/run/settings.h) before the loops start, so that the first request already
 * finds them. Owns nothing: the settings are the app's. Main thread. */
#ifndef RUNTIME_RECOVERY_SETTINGS_START_H
#define RUNTIME_RECOVERY_SETTINGS_START_H

#include <stdbool.h>
#include <stddef.h>

struct sw_app;

/* Fills app->settings and logs them. A program without a store has none. False with a message in `error`: they cannot
 * be read, and nobody would know what is to be obeyed. */
bool settings_start(struct sw_app *app, char *error, size_t error_size);

#endif
