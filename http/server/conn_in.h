/* conn_in: the memory a connection reads into. Lent by the server while a request is being read or answered, given back
 * when the connection idles; larger requests get memory of their own. Bytes move only while no exchange looks at them.
 */
#ifndef HTTP_SERVER_CONN_IN_H
#define HTTP_SERVER_CONN_IN_H

#include "http/server/server_core.h"

/* Makes room for at least one byte behind bytes.end. False: out of memory, or, while a request is being answered, the
 * memory is full. */
bool conn_in_make_room(http_conn *c);
/* Makes room for one byte by moving the request that is being read to the front, or to more memory. False: no memory.
 */
bool conn_in_extend(http_conn *c);
void conn_in_begin(http_conn *c);   /* lets a parser that is between two requests begin the next */
void conn_in_release(http_conn *c); /* gives all the memory back; no exchange is open */

/* Copies the first bytes of an adopted connection. False: out of memory. */
bool conn_in_fill(http_conn *c, const char *bytes, size_t len);

#endif
