/* embedded: the files of the page, which lie in the program. script/bundle.py makes them; serves each at its own route,
 * with a tag by which a browser that has the file gets 304. */
#ifndef RESEARCH_EMBEDDED_H
#define RESEARCH_EMBEDDED_H

#include <stepwell.h>

typedef struct embedded_file {
    const char *route; /* "GET /app.js"; the page itself is at "GET /" */
    const char *type, *tag;
    const unsigned char *data;
    size_t len;
} embedded_file;

extern const embedded_file embedded_files[];
extern const size_t embedded_file_count;
extern const char embedded_policy[]; /* Content-Security-Policy of each file */

/* Adds a route for each file. */
void embedded_serve(sw_app *app);

#endif
