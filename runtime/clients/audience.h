/* audience: listens to the runs of a home, in memory or not, for their clients, and tells those what becomes of their
 * request. */
#ifndef RUNTIME_CLIENTS_AUDIENCE_H
#define RUNTIME_CLIENTS_AUDIENCE_H

#include "runtime/run/run_listener.h"

extern const run_listener audience;

#endif
