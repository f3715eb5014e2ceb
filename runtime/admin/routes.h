/* routes: the built-in routes that every program has under /_sw/ (docs/http.md): a run's output and stream for clients
 * with a token of the run; the list of runs, one run, backup and metrics for operators, at a door of their own; health
 * for anybody. Owns nothing; decides who may ask (auth.h, clients/run_access.h) and leaves the answer to a file for
 * each noun. */
#ifndef RUNTIME_ADMIN_ROUTES_H
#define RUNTIME_ADMIN_ROUTES_H

struct sw_app;

/* Adds the built-in routes behind those that the app has. */
void admin_register_routes(struct sw_app *app);

#endif
