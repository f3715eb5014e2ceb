/* builtin: the routes that every program has under /_sw/ (docs/http.md): a run's output and stream for clients with its
 * token; the list of runs, one run, health and metrics for administrators. */
#ifndef RUNTIME_ADMIN_ROUTES_H
#define RUNTIME_ADMIN_ROUTES_H

struct sw_app;

/* The routes come after those that the app has. */
void builtin_register(struct sw_app *app);

#endif
