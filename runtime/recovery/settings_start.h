/* settings_start: reads the settings (runtime/run/settings.h) before the loops start, so that the first request already
 * finds them. What cannot be read then is read again by the first loop, with growing pauses; until all are known, new
 * requests are refused (door_admits). Owns the state of that reading, never the settings' meaning. */
#ifndef RUNTIME_RECOVERY_SETTINGS_START_H
#define RUNTIME_RECOVERY_SETTINGS_START_H

#include <stdbool.h>
#include <stddef.h>

struct home;
struct sw_app;

/* Fills app->settings and logs them, as far as they can be read. A program without a store has none. False with a
 * message in `error`: no memory. Main thread. */
bool settings_start(struct sw_app *app, char *error, size_t error_size);
/* Goes on reading, if that is left to do and the home is the first loop's, whose thread this is. */
void settings_recover(struct home *h);
/* Tries no more reads: the loop drains. */
void settings_recover_no_more(struct home *h);
/* The loops have ended, or never started. */
void settings_end(struct sw_app *app);

#endif
