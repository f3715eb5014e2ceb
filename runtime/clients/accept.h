/* accept: whether a request's Accept headers ask for server-sent events (RFC 9110, 12.5.1). Owns nothing. */
#ifndef RUNTIME_CLIENTS_ACCEPT_H
#define RUNTIME_CLIENTS_ACCEPT_H

#include <stdbool.h>

/* One of the headers names text/event-stream itself, and with a weight that is not 0. A wildcard does not ask for it:
 * most clients send one with every request. */
bool accept_names_events(const char *value);

#endif
