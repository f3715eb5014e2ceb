/* endpoint: what the program does at one route: calls a handler, durable or plain, serves files, or answers by a
 * built-in function. A function (sw_function) is a durable endpoint without a route. Owned by the app, which makes it
 * before the loops start; read-only afterwards. */
#ifndef RUNTIME_RUN_ENDPOINT_H
#define RUNTIME_RUN_ENDPOINT_H

#include "http/server/router.h"
#include "http/server/server.h"
#include "runtime/stepwell.h"

struct home;
struct redact;
struct schedule_plan;

typedef enum endpoint_kind { ENDPOINT_DURABLE, ENDPOINT_PLAIN, ENDPOINT_BUILTIN, ENDPOINT_FILES } endpoint_kind;

/* Where an endpoint can be asked. */
typedef enum endpoint_door {
    DOOR_PUBLIC, /* --listen */
    DOOR_ADMIN,  /* --admin-listen; with --admin-on-public at --listen too */
    DOOR_BOTH,
    DOOR_ADMIN_ALONE, /* --admin-listen, and with --admin-on-public nowhere else: a page's origin is its own */
    DOOR_NONE         /* nowhere: it has no route, but a name */
} endpoint_door;

enum { ENDPOINT_POLICY = 4 }; /* the most headers of a policy */

struct endpoint;
/* Answers `x` on the loop's own stack, without a run. */
typedef void (*builtin_fn)(struct home *h, struct http_exchange *x, const struct endpoint *e, const http_param *params,
                           size_t param_count);

typedef struct endpoint {
    endpoint_kind kind;
    endpoint_door door;
    const char *route;   /* "GET /orders/:id"; of a function its name, which has no space: "orders/ship" */
    sw_handler handler;  /* of ENDPOINT_DURABLE and ENDPOINT_PLAIN */
    sw_step_fn function; /* of a function, whose handler calls it with the run's input; NULL: it is none */
    builtin_fn builtin;  /* answers its requests; NULL: they go to the handler, or are for files */
    bool any_page;       /* ENDPOINT_BUILTIN: pages of --cors-origin may call it */
    http_reply_header policy[ENDPOINT_POLICY]; /* headers of every reply; see app_policy */
    size_t policy_count;
    char *files_dir;                /* ENDPOINT_FILES: the folder */
    unsigned files_depth;           /* ENDPOINT_FILES: how many segments of the request's path lead to the folder */
    sw_endpoint_options options;    /* without `omit` */
    struct redact *omits;           /* what is left out of its runs' requests; NULL: nothing */
    struct schedule_plan *schedule; /* of a function: when runs begin by themselves; NULL: they do not */
    uint32_t stopped_s; /* atomic: an operator has stopped it (runtime/run/settings.h): seconds, for Retry-After; 0: it
                           serves. The one member that changes */
} endpoint;

static inline uint32_t endpoint_stopped_s(const endpoint *e)
{
    return __atomic_load_n(&e->stopped_s, __ATOMIC_ACQUIRE);
}

#endif
