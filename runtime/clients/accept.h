/* accept: whether a request's Accept headers ask for server-sent events (RFC 9110, 12.5.1). Owns nothing. */
#ifndef RUNTIME_CLIENTS_ACCEPT_H
#define RUNTIME_CLIENTS_ACCEPT_H

#include <stdbool.h>

/* Whether one of the headers names text/event-stream itself, with a weight that is not 0. A wildcard does not ask for
 * events: most clients send one with every request. */
bool accept_names_events(const char *value);

#endif
