/* turns: in which order runs of former processes come back to memory, as who looks at it after each turn sees it:
 * whether what runtime/run/comeback.h says of that is so. */
#ifndef TESTS_SIMULATION_TURNS_H
#define TESTS_SIMULATION_TURNS_H

#include "tests/simulation/world.h"

struct sw_app;

/* The process begins: `app` until turns_end. */
void turns_begin(const struct sw_app *app);
/* After each turn. */
void turns_look(void);
/* A handler begins. */
void turns_execution(const run_record *r);
/* All loops have ended. */
void turns_end(void);

#endif
