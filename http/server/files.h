/* files: answers an exchange with a file of a folder. Owns the reading, on uv's thread pool; keeps nothing between two
 * requests. A client that reads slowly has at most one piece of its file in memory, whatever the file's size. Never
 * leaves the folder: not by "..", nor by an absolute path or a link that leads out of it; and never shows a name that
 * begins with a dot. */
#ifndef HTTP_SERVER_FILES_H
#define HTTP_SERVER_FILES_H

#include <uv.h>

#include "http/server/server.h"

enum { HTTP_FILE_PIECE_BYTES = 32768 };

/* Ends the exchange, now or later: GET and HEAD with the file at `path` (encoded, the part of the request's path below
 * `dir`, which begins with a slash or is empty: the folder without its slash), its ETag and Last-Modified; 304 if the
 * client has it; 412 if it is not the one that If-Match or If-Unmodified-Since speak of; index.html for a folder, which
 * without its final slash is first redirected there; 404; 405; 503 if it would hold a descriptor that is not for
 * clients. A file that changes or is cut short while it is sent ends with a reset of the connection, so that nobody
 * takes the pieces for a whole. Both texts are copied. */
void http_files_serve(uv_loop_t *loop, http_exchange *x, const char *dir, const char *path);

#endif
