/* bulk_run: the durable run of a bulk action: finds the runs that it means, a page at a time, and writes a letter to
 * each of them, at the rate that was asked for. Each letter is written once, however often the process dies
 * (runtime/run/board.h). */
#ifndef RUNTIME_ADMIN_BULK_RUN_H
#define RUNTIME_ADMIN_BULK_RUN_H

#include "runtime/stepwell.h"

/* The handler of bulk_route. */
void bulk_run(sw_ctx *c);

#endif
