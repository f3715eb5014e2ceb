/* solos: in which order runs of former processes come back to memory, as who looks at it after each turn sees it:
 * whether what runtime/run/comeback.h says of that is so. */
#ifndef TESTS_SIMULATION_SOLOS_H
#define TESTS_SIMULATION_SOLOS_H

#include "tests/simulation/world.h"

struct sw_app;

/* The process begins: `app` until solos_end. */
void solos_begin(const struct sw_app *app);
/* After each turn. */
void solos_look(void);
/* A handler begins. */
void solos_execution(const run_record *r);
/* All loops have ended. */
void solos_end(void);

#endif
