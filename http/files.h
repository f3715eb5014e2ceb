/* files: answers an exchange with a file of a folder. Owns the reading, on uv's thread pool; keeps nothing between two
 * requests. Never leaves the folder: not by "..", nor by an absolute path or a link that leads out of it; and never
 * shows a name that begins with a dot. */
#ifndef HTTP_FILES_H
#define HTTP_FILES_H

#include <uv.h>

#include "http/server.h"

enum { HTTP_FILE_BYTES_MAX = 16 << 20 }; /* files are sent whole; a larger one is refused with 500 */

/* Ends the exchange, now or later: GET and HEAD with the file at `path` (encoded, the part of the request's path below
 * `dir`, leading slashes ignored), its ETag and Last-Modified; 304 if the client has it; index.html for a folder, which
 * without its final slash is first redirected there; 404; 405. Both texts are copied. */
void http_files_serve(uv_loop_t *loop, http_exchange *x, const char *dir, const char *path);

#endif
