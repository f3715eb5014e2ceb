/* files: answers an exchange with a file of a folder. Owns the reading, on uv's thread pool; has no state between two
 * requests. A client that reads slowly has at most one piece of its file in memory, whatever the file's size. Never
 * leaves the folder: not by "..", nor by an absolute path or a link that leads out of it; and never shows a name that
 * begins with a dot. */
#ifndef HTTP_SERVER_FILES_H
#define HTTP_SERVER_FILES_H

#include <uv.h>

#include "http/server/server.h"

enum { HTTP_FILE_PIECE_BYTES = 32768 };

/* Ends the exchange, now or later. `path` is the part of the request's path below `dir`, encoded: it begins with a
 * slash, or is empty for the folder without its slash. Both texts are copied. Replies to GET and HEAD with
 *   - the file, its ETag and Last-Modified; index.html for a folder, after a redirect to the final slash;
 *   - 304 if the client has the file; 412 if If-Match or If-Unmodified-Since speak of another one;
 *   - 404; 503 if its descriptor would not be one for clients, or there is no memory. Other methods get 405.
 * A file that changes or is cut short while it is sent ends with a reset of the connection, so that nobody takes the
 * pieces for a whole. */
void http_files_serve(uv_loop_t *loop, http_exchange *x, const char *dir, const char *path);

#endif
