/* reasons: what the page of a run says of why it is not finished: whether it is so, and whether the run moves when what
 * is named happens. */
#ifndef TESTS_SIMULATION_REASONS_H
#define TESTS_SIMULATION_REASONS_H

#include "tests/simulation/world.h"

struct sw_app;

/* A client has read the page. */
void reasons_told(const client *c, run_record *r, const char *page);
/* After each turn: also at what the page of each live run would say. */
void reasons_look(struct sw_app *app);

#endif
