/* program: what all loops of a process share: its routes and options and, while it serves, its store and its loops.
 * Written before the loops start, read-only afterwards, unless a member says otherwise. */
#ifndef RUNTIME_RUN_PROGRAM_H
#define RUNTIME_RUN_PROGRAM_H

#include "http/server/router.h"
#include "runtime/base/options.h"
#include "runtime/run/durations.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/feed.h"
#include "runtime/run/run_token.h"
#include "runtime/run/said.h"
#include "runtime/stepwell.h"
#include "runtime/survive/control.h"
#include "storage/store.h"

struct sw_loop;
struct tracer;

struct sw_app {
    char *name;
    endpoint **endpoints; /* owned; index is the router's */
    size_t endpoint_count;
    http_router *router;       /* of --listen */
    http_router *admin_router; /* of --admin-listen */
    struct option_set *flags;
    sw_options opt;
    char *mistake; /* first wrong sw_endpoint, sw_flag ... call; sw_main reports it */
    const char *(*on_start)(sw_app *app, void *arg);
    void *on_start_arg;
    bool durable; /* has endpoints: needs a store */
    store *store;
    run_token_key key; /* signs output and stream URLs */
    struct public_urls *public_urls;
    char address[64]; /* where it serves, "127.0.0.1:8080"; "": people elsewhere cannot know, or it is no address */
    struct operators *operators; /* who may use the admin API */
    struct redact *redact;       /* what admin API and spans do not show (--redact, tokens) */
    struct redact *redact_log;   /* what the log does not show */
    struct link_code *link_code; /* see runtime/clients/link_code.h; NULL: there is no such code */
    int control;                 /* to the supervisor; -1: none */
    control_ended worker_before; /* what the supervisor says of the worker before */
    uint32_t worker;             /* which of the supervisor's workers this is */
    int client_descriptors;      /* clients get descriptors below this number, the rest of the process those above */
    int admin_descriptors;       /* those of the admin API below this one, which is higher */
    size_t admin_connections;    /* that each loop lets in there */
    int64_t started_ms;          /* Unix */
    bool backing_up;             /* atomic */
    series_table *series[DURATION_KINDS]; /* under which labels the homes' durations count; --metric-series-max */
    histogram commits;                    /* of the journal: written by its thread */
    bool ended_well;           /* the last process with this data: its clients were answered, sent on or left to this */
    struct ties *ties;         /* what it left of runs that end with their clients; NULL: there is no data folder */
    uint32_t ended_by_runs;    /* processes in a row, up to the one before, that a known run has ended */
    struct comeback *comeback; /* see runtime/run/comeback.h; NULL: runs come as they are due */
    bool put_off;              /* main thread: the start is made up for later, see presence_go_on */
    struct suspects *suspects; /* see runtime/run/suspects.h; NULL: no run is suspected */
    struct board *board;       /* see runtime/run/board.h; NULL: there is no store */
    struct settings *settings; /* see runtime/run/settings.h; NULL: there is no store */
    struct schedules *schedules;            /* see runtime/flow/schedules.h; NULL: there is no store */
    uint64_t last_letter;                   /* atomic; of a node of a cluster: as home.last_letter, of all loops */
    feed feed;                              /* of what becomes of runs; of all threads */
    struct pool *blocking;                  /* of sw_blocking */
    struct pool *aside;                     /* of the library's own long work; see runtime/api/aside.h */
    struct tracer *tracer;                  /* see runtime/trace/tracer.h; NULL: no traces are exported */
    int64_t drain_until_ms;                 /* main thread, steady: when --drain is over */
    bool is_followed;                       /* main thread: another process waits for the end of this one */
    said_set said;                          /* of differences between the code and the journals */
    struct table_reading *settings_reading; /* see runtime/recovery/settings_start.h; NULL: there is no store */
    struct sw_loop *loops;
    unsigned loop_count;
};

/* Finds the endpoint of a journaled run by its route; NULL: the program has it no more. */
const endpoint *app_endpoint(const sw_app *app, const char *route, size_t len);

/* Which pages may call an endpoint: an origin, "*", or NULL for none. */
const char *app_origin(const sw_app *app, const endpoint *e);
/* Makes what app_policy gives, for each endpoint; after the flags have been read. */
void app_make_policies(sw_app *app);
/* The headers that every reply to a request has, a refusal too; `e`: the endpoint of its path; NULL: none. */
http_policy app_policy(const endpoint *e);

#endif
