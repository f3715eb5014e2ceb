/* audience: the listener of a home's runs, in memory or not, that tells their clients what becomes of their requests.
 * Owns nothing: clients lie in the lists of runs and slots. Never changes what a run does. */
#ifndef RUNTIME_CLIENTS_AUDIENCE_H
#define RUNTIME_CLIENTS_AUDIENCE_H

#include "runtime/run/run_listener.h"

extern const run_listener audience;

#endif
