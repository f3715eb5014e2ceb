/* conn_in: the memory a connection reads into. Lent by the server while a request is being read or answered, given back
 * when the connection idles; larger requests get memory of their own. Bytes move only while no exchange looks at them.
 */
#ifndef HTTP_SERVER_CONN_IN_H
#define HTTP_SERVER_CONN_IN_H

#include "http/server/server_core.h"

/* True if there is room for at least one byte behind bytes.end. */
bool conn_in_make_room(http_conn *c);
/* The same for a request in memory, by moving the request or the memory. False: out of memory. */
bool conn_in_extend(http_conn *c);
void conn_in_begin(http_conn *c); /* tells the parser about the next request if it is between two */
void conn_in_release(http_conn *c);

/* The first bytes of an adopted connection. False: out of memory. */
bool conn_in_fill(http_conn *c, const char *bytes, size_t len);

#endif
