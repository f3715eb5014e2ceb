/* endpoint: what the program does at one route: a handler, durable or plain, or something built in. Made before the
 * loops start by the app, which owns it; read-only afterwards. */
#ifndef RUNTIME_ENDPOINT_H
#define RUNTIME_ENDPOINT_H

#include "http/server/router.h"
#include "http/server/server.h"
#include "runtime/stepwell.h"

struct home;

typedef enum endpoint_kind { ENDPOINT_DURABLE, ENDPOINT_PLAIN, ENDPOINT_BUILTIN, ENDPOINT_FILES } endpoint_kind;

enum { ENDPOINT_POLICY = 4 };

struct endpoint;
/* Answers on the loop's own stack, without a run. */
typedef void (*builtin_fn)(struct home *h, struct http_exchange *x, const struct endpoint *e, const http_param *params,
                           size_t param_count);

typedef struct endpoint {
    endpoint_kind kind;
    const char *route;                         /* "GET /orders/:id" */
    sw_handler handler;                        /* durable and plain */
    builtin_fn builtin;                        /* built in */
    bool any_page;                             /* built in: pages of --cors-origin may call it */
    http_reply_header policy[ENDPOINT_POLICY]; /* of every reply to its requests; see app_policy */
    size_t policy_count;
    char *files_dir; /* files: the folder, and how many segments of the path lead to it */
    unsigned files_depth;
    sw_endpoint_options options;
} endpoint;

#endif
