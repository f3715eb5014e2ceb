/* router: finds the route of a method and path. Owns the routes' texts and a tree of their segments; never the targets.
 * It is filled before the server starts and only read afterwards, by any number of threads. */
#ifndef HTTP_SERVER_ROUTER_H
#define HTTP_SERVER_ROUTER_H

#include <stdbool.h>
#include <stddef.h>

#include "http/server/server.h"

enum { HTTP_PARAMS_MAX = 16, HTTP_ALLOW_BYTES = 256, HTTP_PARAM_BYTES = 4096 };

typedef struct http_router http_router;

http_router *http_router_new(void); /* NULL: out of memory */
void http_router_free(http_router *r);

/* A route is "METHOD /path". A segment ":name" takes one segment, never an empty one; a last segment "*name" takes the
 * rest of the path, slashes included and perhaps empty. Literal segments beat ":name", which beats "*name". GET also
 * serves HEAD. False with a message in `error`: malformed, taken by an earlier route, one method more than fit in
 * HTTP_ALLOW_BYTES, or out of memory. */
bool http_router_add(http_router *r, const char *route, void *target, char *error, size_t error_size);

/* Returns the methods of all routes, as in an Allow header: the answer to "OPTIONS *". The router's. */
const char *http_router_methods(const http_router *r);

typedef struct http_param {
    const char *name;  /* the router's */
    const char *value; /* decoded, zero-terminated; in the match */
    size_t value_len;
} http_param;

typedef enum http_match_result {
    HTTP_MATCH_FOUND,
    HTTP_MATCH_NOT_FOUND, /* 404 */
    HTTP_MATCH_METHOD,    /* 405, or 204 for OPTIONS: the path has routes, none for this method; `allow` has theirs,
                             `target` is that of one of them */
    HTTP_MATCH_BAD_PATH,  /* 400: malformed escapes */
    HTTP_MATCH_TOO_LONG   /* 414: parameters beyond HTTP_PARAM_BYTES */
} http_match_result;

/* Only the members that the result speaks of are set. */
typedef struct http_match {
    http_match_result result;
    void *target;
    size_t param_count;
    http_param params[HTTP_PARAMS_MAX];
    char allow[HTTP_ALLOW_BYTES];   /* "GET, HEAD, OPTIONS" */
    char decoded[HTTP_PARAM_BYTES]; /* the params' values */
} http_match;

/* Finds the route of a method and a path, still encoded. Allocates nothing; returns match->result. */
http_match_result http_router_find(const http_router *r, http_text method, http_text path, http_match *match);

#endif
