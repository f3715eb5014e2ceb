/* settings_routes: lists, makes and deletes settings (runtime/run/settings.h) for operators. Owns nothing but requests
 * that wait for the disk. */
#ifndef RUNTIME_ADMIN_SETTINGS_ROUTES_H
#define RUNTIME_ADMIN_SETTINGS_ROUTES_H

#include "runtime/run/home.h"

/* Answers with all settings. Takes x. */
void settings_answer_list(home *h, struct http_exchange *x);
/* Sets `name` to the value that the body of x has; answers when that is on disk and obeyed. Takes x. `by`: the
 * operator, whose name lives as long as the home. */
void settings_answer_put(home *h, struct http_exchange *x, const char *name, const char *by);
void settings_answer_delete(home *h, struct http_exchange *x, const char *name, const char *by);

#endif
