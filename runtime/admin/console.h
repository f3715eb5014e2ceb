/* console: the operators' page at --admin-listen, whose files lie in the library: serves each at its own route, with a
 * tag by which a browser that has the file gets 304. Owns nothing. Knows no run and asks no token: what the page shows
 * it asks of the admin API, as any client does. Never at --listen, where answers of handlers share the origin. */
#ifndef RUNTIME_ADMIN_CONSOLE_H
#define RUNTIME_ADMIN_CONSOLE_H

#include <stddef.h>

struct sw_app;

typedef struct console_file {
    const char *route; /* "GET /app.js"; the page itself is at "GET /" */
    const char *type, *tag;
    const unsigned char *data;
    size_t len;
} console_file;

/* Made by script/bundle.py of console/; without it (-Dconsole=disabled) there are none. */
extern const console_file console_files[];
extern const size_t console_file_count;
extern const char console_policy[]; /* Content-Security-Policy of each file */

/* Adds a route for each file; without files one that says how to build them in. */
void console_register_routes(struct sw_app *app);

#endif
