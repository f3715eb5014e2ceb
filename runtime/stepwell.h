/* stepwell.h - durable HTTP endpoints as straight-line C coroutines. This header is the manual.
 *
 * A handler runs on a coroutine of its own: it may block in any function below without holding a thread. Inside an
 * endpoint, sw_step() marks what may fail or costs money. Each step's result is journaled; a step that fails is
 * retried alone; after a crash the handler runs again and finished steps answer from the journal. So code between
 * steps must do the same thing each time it runs: read the clock with sw_now(), randomness with sw_random(), and talk
 * to the outside only inside steps. `./program --prove "POST /orders"` shows whether it does (docs/prove.md).
 *
 * Ownership: what a function here returns belongs to the run (inside a step: to that attempt) and is freed with it.
 * Strings and bytes passed in are copied unless the comment says "borrowed". A value refers to its texts and members:
 * made by the functions here it lives as long as what they return; one made by hand is borrowed for the call. Times are
 * in milliseconds; points in time are Unix milliseconds. Any number is taken: what is negative is none or over, and the
 * last moment is the end of the year 9999.
 *
 * Stack: handlers, branches and parallel steps have 64 KiB each (--stack-size). Large arrays belong in sw_alloc memory;
 * deep recursion and libraries that need more, in sw_blocking. An overflow ends the process with a line that names the
 * handler and the run, if the code is compiled with the flags of `pkg-config --cflags stepwell`
 * (-fstack-clash-protection); without them a single frame of more than 128 KiB can go unseen.
 *
 * A context is good in the function that it was given to, while that runs: not in a step of it (which has its own), nor
 * on another thread, nor afterwards. So are groups and streams.
 *
 * Errors: misuse (an empty id, a step inside a step, another function's context, a value over its limit) fails the run
 * that does it with a message that says what to change; it never ends the process. A thread of the program's own that
 * uses a context has no run to fail: the thread ends, with a line in the log. */
#ifndef STEPWELL_H
#define STEPWELL_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SW_PRINTF(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))
#define SW_NORETURN                             __attribute__((noreturn))
#define SW_SENTINEL                             __attribute__((sentinel))
#define SW_API                                  __attribute__((visibility("default")))
#else
#define SW_PRINTF(format_index, first_argument)
#define SW_NORETURN
#define SW_SENTINEL
#define SW_API
#endif

typedef struct sw_app sw_app;     /* one process: its routes and options */
typedef struct sw_ctx sw_ctx;     /* one run, or one branch or step attempt of it, as the code in it sees it */
typedef struct sw_group sw_group; /* steps and branches that run in parallel */
typedef msgpack_object sw_value;  /* any value: nil, boolean, integer, float, string, binary, array or map; nested at
                                     most 128 levels */

typedef struct sw_bytes {
    const char *data; /* not zero-terminated unless the function that returns it says so */
    size_t len;       /* bytes */
} sw_bytes;

typedef void (*sw_handler)(sw_ctx *c);
typedef sw_value (*sw_step_fn)(sw_ctx *c, sw_value input);

/* ---- The program ---------------------------------------------------------------------------------------------- */

typedef enum sw_durability {
    SW_SYNCED = 0, /* the response leaves after every entry before it is on disk (the default) */
    SW_RELAXED     /* the response leaves at once; a crash within the same commit forgets the run */
} sw_durability;

typedef enum sw_retain {
    SW_RETAIN_ALL = 0, /* finished runs stay for the retention time (the default) */
    SW_RETAIN_FAILED,  /* only runs that failed stay */
    SW_RETAIN_NONE     /* the journal of a run goes soon after it ended */
} sw_retain;

typedef enum sw_disconnect {
    SW_GO_ON = 0, /* a client that goes away changes nothing (the default) */
    SW_CANCEL     /* when the last client has gone away, without having been sent on, the run is cancelled */
} sw_disconnect;

/* What a run does about trouble that a person can mend. */
typedef enum sw_trouble {
    SW_REPORT = 0, /* .on_difference: the log, metrics and the run's page tell; the journal's result is used (the
                      default) */
    SW_FAIL = 0,   /* .on_exhausted: the run fails (the default) */
    SW_STOP        /* it stops, with all that it has done, until it is released: best when the trouble is over */
} sw_trouble;

typedef struct sw_endpoint_options {
    const char *version; /* journaled with each run; NULL: "" */
    sw_durability durability;
    sw_retain retain;
    int64_t retain_ms;                  /* how long an ended run stays; 0: --retain */
    const char *const *journal_headers; /* request headers to keep beyond the default list (accept, content-type,
                                           user-agent, prefer, idempotency-key), NULL-terminated; naming
                                           "authorization" or "cookie" here is what makes them be journaled */
    sw_disconnect on_disconnect;
    sw_trouble on_difference;  /* a run that goes on passes a step another input than the journal's result was made
                                  from: the program has changed, or reads something that is not recorded. With SW_STOP
                                  also one that does not fit its journal at all, which else fails */
    sw_trouble on_exhausted;   /* a step has used its retries, and its failure would fail the run. With SW_STOP the run
                                  stops (reason exhausted); its deadline stands still; a release gives that step its
                                  retries anew, and what was done stays done. A failure that is fatal, or that the
                                  handler has taken (sw_try, sw_group_settle), stops nothing */
    int64_t timeout_ms;        /* of the whole run, sleeps and restarts included: then it fails with 504; 0: no limit */
    const char *caller_header; /* request header that tells callers apart, such as "authorization": an Idempotency-Key
                                  counts for one caller only. NULL: all requests come from one */
    const char *cors_origin;   /* pages of this origin ("https://app.example.com", or "*") may call the endpoint: their
                                  preflights are answered, all its responses carry the header, refusals too. NULL:
                                  none */
    void *arg;                 /* for the handler: sw_arg(c); borrowed while the program runs */
} sw_endpoint_options;

/* What a program compiled with this header may take from the library: its structs and functions. The number goes up
 * when a program has to be compiled again, and the library's soname with it. */
#define SW_ABI 2

/* A new program called `name` (shown in --help, --version and logs). Free it by returning from sw_main. A library of
 * another SW_ABI than this header's ends sw_main with 2 and says so. */
#define sw_app_new(name) sw_app_new_abi((name), SW_ABI)
SW_API sw_app *sw_app_new_abi(const char *name, int abi);

/* A durable endpoint. With an Idempotency-Key a request attaches to the run that an earlier one with the same key,
 * target and body began; see docs/http.md. `route` is "METHOD /path", with ":name" for one segment of the path: "GET
 * /orders/:id". Each request to it is a run. `options` may be NULL; it is copied. A malformed or repeated route ends
 * sw_main with 2. */
SW_API void sw_endpoint(sw_app *app, const char *route, sw_handler handler, const sw_endpoint_options *options);

/* A plain route: no run, no journal; steps are refused in it, sw_fetch and sw_sleep work and are not recorded. */
SW_API void sw_route(sw_app *app, const char *route, sw_handler handler);

/* GET and HEAD of files below `dir` at `prefix` ("/" or "/assets"); "index.html" answers for a folder,
 * which without its final slash ("/assets") is redirected to it. */
SW_API void sw_static(sw_app *app, const char *prefix, const char *dir);

/* A command-line flag of the program's own: --name VALUE, also the environment variable STEPWELL_NAME (upper case,
 * '-' as '_'). `fallback` is its value when not given (may be NULL), `value_name` and `help` are for --help. A flag
 * whose value_name is NULL is a switch: given alone, or with 1, true, yes or on, it reads as "1"; with 0, false, no or
 * off, and when it is not given, as NULL. */
SW_API void sw_flag(sw_app *app, const char *name, const char *value_name, const char *fallback, const char *help);

/* The flag's value; valid from sw_on_start() on. Owned by the app. */
SW_API const char *sw_flag_value(sw_app *app, const char *name);

/* Called once after the flags are read and before anything is opened. Return NULL, or the message that sw_main
 * prints before it ends with 2. */
SW_API void sw_on_start(sw_app *app, const char *(*fn)(sw_app *app, void *arg), void *arg);

/* Reads flags and environment (--help lists them), resumes unfinished runs, serves until SIGTERM or SIGINT, drains
 * and frees `app`. Returns the exit code: 0 after a drain, 2 for a wrong flag, an address in use, or a data folder
 * that cannot be used; 1 for anything else. */
SW_API int sw_main(sw_app *app, int argc, char **argv);

/* ---- The request ---------------------------------------------------------------------------------------------- */

SW_API const char *sw_method(sw_ctx *c);
SW_API const char *sw_path(sw_ctx *c);                     /* decoded, without the query */
SW_API const char *sw_param(sw_ctx *c, const char *name);  /* ":name" of the route, decoded; NULL if not in it */
SW_API const char *sw_query(sw_ctx *c, const char *name);  /* first such query parameter, decoded, "100%" too; NULL if
                                                              absent */
SW_API const char *sw_header(sw_ctx *c, const char *name); /* any case; several lines are joined by commas; NULL if
                                                              absent. Endpoints see only headers that are journaled
                                                              (see journal_headers) */
SW_API sw_bytes sw_body(sw_ctx *c);                        /* zero-terminated beyond len */
SW_API sw_value sw_body_json(sw_ctx *c);                   /* not JSON: the client gets 400 and the handler ends, which
                                                              is no failed run; in a step, the step fails for good */
SW_API const char *sw_run_id(sw_ctx *c);                   /* 26 characters; "" in a plain route */

/* ---- The reply ------------------------------------------------------------------------------------------------ */

/* The response. The first one counts; a second fails the run. An endpoint that returns without one answers 204.
 * The handler goes on after it; the client gets it when the handler returns. `data` may be NULL when len is 0. A
 * Content-Type of sw_reply_header beats `content_type`, which may be NULL. 204, 205 and 304 are sent without a body. */
SW_API void sw_reply(sw_ctx *c, int status, const char *content_type, const void *data, size_t len);
SW_API void sw_reply_json(sw_ctx *c, int status, sw_value value);
SW_API void sw_reply_text(sw_ctx *c, int status, const char *format, ...) SW_PRINTF(3, 4);

/* A response header, before the reply; as many as the run's memory holds. Of those that a response has once
 * (Content-Type, Location, ETag, ...) the last one counts. Without a Cache-Control among them the response has
 * "no-store". A name or value that cannot be in a header (CR, LF, NUL, ...) fails the run. */
SW_API void sw_reply_header(sw_ctx *c, const char *name, const char *value);

/* Plain routes only: a response written piece by piece (chunked). sw_reply_write waits while the client reads slowly
 * and returns false once it has gone away. Returning from the handler ends it; a handler that fails, or still runs when
 * --drain is over, and sw_reply_abort cut the connection instead, without an end (sw_reply_abort also instead of any
 * response). */
SW_API void sw_reply_open(sw_ctx *c, int status, const char *content_type);
SW_API bool sw_reply_write(sw_ctx *c, const void *data, size_t len);
SW_API void sw_reply_abort(sw_ctx *c);

/* ---- Values --------------------------------------------------------------------------------------------------- */

SW_API sw_value sw_nil(void);
SW_API sw_value sw_bool(bool value);
SW_API sw_value sw_int(int64_t value);
SW_API sw_value sw_double(double value);
SW_API sw_value sw_str(sw_ctx *c, const char *text); /* NULL gives nil */
SW_API sw_value sw_strn(sw_ctx *c, const char *text, size_t len);
SW_API sw_value sw_strf(sw_ctx *c, const char *format, ...) SW_PRINTF(2, 3);
SW_API sw_value sw_bin(sw_ctx *c, const void *data, size_t len);
/* "key", value, "key", value, ... The order is kept; a repeated key replaces the earlier value. A NULL behind the last
 * value is allowed and not needed. */
SW_API sw_value sw_map(sw_ctx *c, ...) SW_SENTINEL;
#define sw_map(...) (sw_map)(__VA_ARGS__, (const char *)0)
SW_API sw_value sw_array(sw_ctx *c, size_t count, ...); /* `count` values follow */
/* A step may not do this to a value that lies in a frame of who called it, which fails the run: what the step makes is
 * gone with it. It changes a copy, its input for example, and returns that. */
SW_API void sw_push(sw_ctx *c, sw_value *array, sw_value value);               /* append; *array may be nil */
SW_API void sw_set(sw_ctx *c, sw_value *map, const char *key, sw_value value); /* add or replace; *map may be nil */

typedef enum sw_kind {
    SW_NIL,
    SW_BOOL,
    SW_INT,
    SW_FLOAT,
    SW_STRING,
    SW_BINARY,
    SW_ARRAY,
    SW_MAP,
    SW_OTHER /* an extension type of msgpack */
} sw_kind;
SW_API sw_kind sw_type(sw_value value);

SW_API sw_value sw_get(sw_value map, const char *key); /* nil if absent or not a map */
SW_API sw_value sw_at(sw_value array, size_t index);   /* nil if out of range or not an array */
/* The key at `index` (from 0 to sw_len(map) - 1), with its value in *value (may be NULL); nil if out of range or not a
 * map. A key is a string in all that came from JSON, and may be any value elsewhere. */
SW_API sw_value sw_key_at(sw_value map, size_t index, sw_value *value);
SW_API size_t sw_len(sw_value value); /* of an array, map, string or binary; else 0 */
SW_API bool sw_is_nil(sw_value value);
SW_API int64_t sw_as_int(sw_value value, int64_t fallback); /* integers, and floats without fraction */
SW_API double sw_as_double(sw_value value, double fallback);
SW_API bool sw_as_bool(sw_value value, bool fallback);
SW_API const char *sw_cstr(sw_ctx *c, sw_value value); /* a string, zero-terminated; NULL if it is none */
SW_API bool sw_equal(sw_value a, sw_value b);
SW_API bool sw_str_equal(sw_value value, const char *text); /* it is a string, and this one; of NULL: it is nil */

/* JSON text to a value; what is not JSON (or deeper than 128 levels) fails the step or run with line and column. Taken
 * as other readers do: a byte order mark; U+FFFD for bytes that are no UTF-8 and for half a surrogate pair (an emoji
 * that was cut); integers beyond 64 bits as doubles; of equal keys the last. Strings and keys may hold zeros: see their
 * size. */
SW_API sw_value sw_json_parse(sw_ctx *c, const char *data, size_t len);
/* The same without failing: false, and *message says why (may be NULL). */
SW_API bool sw_json_try(sw_ctx *c, const char *data, size_t len, sw_value *out, const char **message);
/* A value as JSON that every reader takes, zero-terminated. Bytes of a string that are no UTF-8 become U+FFFD, binary
 * base64 text, NaN and infinity null, keys that are no strings their JSON text. */
SW_API sw_bytes sw_json(sw_ctx *c, sw_value value);

/* ---- Memory --------------------------------------------------------------------------------------------------- */

SW_API void *sw_alloc(sw_ctx *c, size_t size); /* zeroed, aligned for any type, freed with the run or attempt */
SW_API char *sw_printf(sw_ctx *c, const char *format, ...) SW_PRINTF(2, 3);

/* A text that grows, in memory that the user holds: `sw_text t = {0};`. It lives as long as what sw_alloc gives. Adding
 * takes constant time for each byte. A text belongs to the context that first added to it: the handler, a branch, or
 * one attempt of a step. */
typedef struct sw_text {
    const char *data; /* NULL while it is empty; see sw_text_str */
    size_t len;       /* bytes */
    size_t room;      /* the library's, as is `owner` */
    uint64_t owner;
} sw_text;
SW_API void sw_text_add(sw_ctx *c, sw_text *text, const char *format, ...) SW_PRINTF(3, 4);
SW_API void sw_text_add_bytes(sw_ctx *c, sw_text *text, const char *data, size_t len); /* zeros are kept */
SW_API const char *sw_text_str(const sw_text *text); /* zero-terminated; valid until the next addition */

/* fn(arg) when the step attempt, branch or handler that `c` stands for ends, however it ends; the last one first. It
 * must not wait: one that does, or fails, fails the run. A run that parks for a long sleep ends its handler too, and
 * runs it again when it is due. */
SW_API void sw_defer(sw_ctx *c, void (*fn)(void *arg), void *arg);

/* ---- Steps ---------------------------------------------------------------------------------------------------- */

enum { SW_NO_RETRIES = -1 };

typedef struct sw_step_options {
    int retries;            /* after the first attempt; 0: 4, SW_NO_RETRIES: none */
    int64_t timeout_ms;     /* one attempt; 0: no limit. A timeout is a failure like any other */
    int64_t backoff_ms;     /* wait before the first retry; doubles each time, with jitter; 0: 500 */
    int64_t backoff_max_ms; /* 0: 60,000 */
    bool sync;              /* money moves: everything before the step is on disk before its first attempt, and its
                               result before the run goes on. Two commits */
    void *arg;              /* for fn: sw_arg(c'); borrowed until the step has ended, and no part of its input: not
                               journaled */
} sw_step_options;

/* Why a step failed for good; the same when the run is resumed. Its texts belong to the run. */
typedef struct sw_error {
    const char *step;    /* the step's id, NULL if none */
    const char *message; /* what sw_fail or the library said */
    int attempts;        /* how many were made */
    bool fatal;          /* failed by sw_fail_fatal or misuse: not retried */
    bool retryable;      /* the opposite: what failed may pass, and the attempts were used up */
    int status;          /* the HTTP status that a service answered with, when sw_fetch_json or sw_response_check failed
                            the step for it; else 0 */
    const char *path;    /* the step in its branches: "order/pay", "pay:1" for the second of that id; NULL if none */
} sw_error;

/* Runs fn(c', input) once and journals what it returns; a failed attempt is retried after a wait. `id` is 1 to 256
 * bytes and names the step in its branch; a repeated id is told apart by its order. When the last attempt failed the
 * run (or the branch) fails here and this does not return. */
SW_API sw_value sw_step(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input);
SW_API sw_value sw_step_with(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input, const sw_step_options *options);

/* Which attempt of its step this is, from 1; 0 outside steps. */
SW_API int sw_attempt(sw_ctx *c);

/* The step's name for the services it calls (Idempotency-Key, client reference): 26 characters, no other step or run
 * has it, and it is the same at every attempt and after every restart. Send it with whatever must not be done twice,
 * and let the service recognize the repetition. Inside a step only. Valid until the attempt ends. First 130 bits of
 * SHA-256(run id, path of the step) in Crockford's base 32; it will not change in later versions. */
SW_API const char *sw_step_key(sw_ctx *c);

/* The same, but a step that failed for good returns false with *err filled (either may be NULL). */
SW_API bool sw_try(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input, sw_value *out, sw_error *err);
SW_API bool sw_try_with(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input, const sw_step_options *options,
                        sw_value *out, sw_error *err);

/* ---- Fan-out -------------------------------------------------------------------------------------------------- */

/* One step per element of the array `inputs`, at most max_parallel at a time (0: all). Results in input order. Once one
 * has failed for good, no step and no further attempt begins; attempts under way are waited for and journaled, then
 * the run (or branch) fails with the first failure in input order. */
SW_API sw_value sw_each(sw_ctx *c, const char *id, sw_step_fn fn, sw_value inputs, size_t max_parallel);

typedef struct sw_each_options {
    size_t parallel_max;  /* steps at a time, waits between attempts included; 0: all */
    bool settle;          /* failures are tolerated: every step is made, and the result is that of sw_group_settle */
    sw_step_options step; /* of each */
} sw_each_options;
SW_API sw_value sw_each_with(sw_ctx *c, const char *id, sw_step_fn fn, sw_value inputs, const sw_each_options *options);

typedef struct sw_group_options {
    size_t parallel_max;  /* steps and branches at a time, the others begin in start order; 0: all */
    bool settle;          /* sw_group_wait gives what sw_group_settle does */
    sw_step_options step; /* of steps that are started without options of their own */
} sw_group_options;
SW_API sw_group *sw_group_new(sw_ctx *c);
SW_API sw_group *sw_group_new_with(sw_ctx *c, const sw_group_options *options);
SW_API void sw_group_step(sw_group *g, const char *id, sw_step_fn fn, sw_value input); /* starts as soon as it may */
SW_API void sw_group_step_with(sw_group *g, const char *id, sw_step_fn fn, sw_value input,
                               const sw_step_options *options);
/* A branch runs fn beside the others; it may hold steps and groups itself, and what it returns is its result. The
 * inputs of steps and branches are copied. */
SW_API void sw_group_branch(sw_group *g, const char *id, sw_step_fn fn, sw_value input);

/* Waits for all; an array of results in start order. If one failed, the others are waited for, retries included, and
 * then the run (or branch) fails with the first failure in start order. A group is waited for once; one that is not is
 * waited for where the handler or branch ends, and its failures count for nothing. */
SW_API sw_value sw_group_wait(sw_group *g);
/* Waits for all and never fails: an array of {"ok": true, "value": v} or {"ok": false, "error": message}. */
SW_API sw_value sw_group_settle(sw_group *g);

/* ---- Failing -------------------------------------------------------------------------------------------------- */

/* Ends the step attempt here (to be retried), or outside a step the branch or run. Never returns: like every function
 * that fails it jumps to where the attempt, branch or handler was called, so that only clean-ups of sw_defer run on the
 * way. Destructors of C++ do not: there, use <stepwell.hpp>. */
SW_API SW_NORETURN void sw_fail(sw_ctx *c, const char *format, ...) SW_PRINTF(2, 3);
SW_API SW_NORETURN void sw_fail_after(sw_ctx *c, int64_t ms, const char *format, ...) SW_PRINTF(3, 4); /* retry in ms */
SW_API SW_NORETURN void sw_fail_fatal(sw_ctx *c, const char *format, ...) SW_PRINTF(2, 3);             /* no retry */

/* ---- Calls to other services ---------------------------------------------------------------------------------- */

/* Where a call may lead. SW_PUBLIC: each address that is connected to, behind every look-up and redirect, has to be one
 * of the public network: no private, loopback, link-local, metadata or other special one (docs/api.md). Else the call
 * fails for good, and names host and address. */
typedef enum sw_reach { SW_ANYWHERE, SW_PUBLIC } sw_reach;

typedef struct sw_request {
    const char *method;         /* NULL: GET, or POST with a body */
    const char *url;            /* http:// or https:// */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    sw_bytes body;
    int64_t timeout_ms;     /* the whole call, to its last byte; 0: 60,000, of a streaming call 3,600,000 */
    int64_t silence_ms;     /* how long nothing may arrive; 0: of a streaming call 60,000, of others any time. What
                               ends it for sw_sse_next is an event: no comment, nor one that is called ping_event */
    const char *ping_event; /* the name of events that only say that the service lives; NULL: every event counts */
    size_t response_max; /* bytes of the response, unpacked; 0: 16 MiB. Of a streaming call: of one event; 0: 4 MiB */
    sw_reach allow;      /* SW_PUBLIC: for URLs that somebody else has chosen */
    int redirects; /* how many to follow, each with a request of its own (docs/api.md); 0: none, 3xx is the response */
    bool retry_bad_json; /* sw_fetch_json: a 2xx that is not JSON is asked, and paid, for again; false: it is fatal */
} sw_request;

typedef struct sw_response {
    int status;                 /* 100 to 999, as the service sent it */
    const char *const *headers; /* "Name: value", NULL-terminated */
    sw_bytes body;              /* zero-terminated beyond len */
} sw_response;

/* One HTTP call. In an endpoint only inside a step (else it would be made again at every replay): refused elsewhere.
 * A response of any status returns. No response (name, connection, time) fails, retryable; what another try cannot
 * change is fatal: a certificate, a URL, a response over its limit, redirects that lead nowhere (docs/api.md). One call
 * puts one request on the wire, unless its method is GET, HEAD, OPTIONS or TRACE: of others that were sent and not
 * answered the message says "it may have been done", and the step's retries decide. */
SW_API sw_response sw_fetch(sw_ctx *c, const sw_request *request);

/* 2xx JSON (nil for an empty body, as of 204), or it fails: 408, 409, 425, 429, 5xx and network errors are retryable
 * (x-should-retry is obeyed; Retry-After and retry-after-ms lengthen the backoff), other statuses fatal, with an
 * excerpt of the body in the message. So is a 2xx that is not JSON: it was done, and would be done again. */
SW_API sw_value sw_fetch_json(sw_ctx *c, const sw_request *request);

/* Fails the step as sw_fetch_json does, unless the status is 2xx. */
SW_API void sw_response_check(sw_ctx *c, const sw_request *request, const sw_response *response);
SW_API const char *sw_response_header(const sw_response *response, const char *name, sw_ctx *c); /* NULL if absent */

typedef struct sw_stream sw_stream; /* a response whose body is read as it arrives */

typedef struct sw_sse {
    const char *event; /* "message" if the server named none */
    const char *data;  /* zero-terminated; lines joined by '\n' */
    size_t len;        /* of data */
    const char *id;    /* last event id, "" if none */
} sw_sse;

/* Opens a streaming call, over HTTP/1.1 on a connection of its own; at most 256 KiB wait unread. Returns when the
 * response's head is there (also for a status that is not 2xx). The stream closes itself when the attempt ends. */
SW_API sw_stream *sw_fetch_open(sw_ctx *c, const sw_request *request);
/* Status and headers. The body is empty for 2xx; of others its first 400 bytes, which are still to be read: good for
 * sw_response_check. */
SW_API const sw_response *sw_fetch_head(const sw_stream *s);
/* The next bytes, valid until the next call; len 0 at the end. A connection that breaks fails the step. */
SW_API sw_bytes sw_fetch_read(sw_stream *s);
/* The next server-sent event, valid until the next call; false at the end of the stream. */
SW_API bool sw_sse_next(sw_stream *s, sw_sse *event);
SW_API void sw_fetch_close(sw_stream *s); /* before the end: cancels the call */

/* ---- Streaming to the client ---------------------------------------------------------------------------------- */

/* A chunk for a client that reads the run as a stream (Accept: text/event-stream); for others it changes nothing.
 * Inside a step the chunk counts when the step succeeds, and is taken back when the attempt fails. Its texts have to
 * be whole UTF-8 characters; bytes go in sw_bin and arrive as base64. A chunk is in the journal before it is sent, at
 * most --step-result-max bytes of it, and counts in --run-state-max. Any of these not kept fails the step or run. */
SW_API void sw_push_chunk(sw_ctx *c, sw_value value);

/* ---- Waiting -------------------------------------------------------------------------------------------------- */

/* Sleeps through restarts: the point in time is journaled. Inside a step or a plain route it only waits. sw_sleep takes
 * its time whatever the machine's clock is set to meanwhile; after a restart it ends at the journaled time, at the
 * latest `ms` after the start. sw_sleep_until follows the clock when it is set, forward and back. */
SW_API void sw_sleep(sw_ctx *c, const char *id, int64_t ms);
SW_API void sw_sleep_until(sw_ctx *c, const char *id, int64_t unix_ms);

/* ---- Other languages ------------------------------------------------------------------------------------------- */

/* What a binding needs; <stepwell.hpp> is one, for C++. The functions above that fail do not return: they jump to where
 * the step attempt, branch or handler was called. A language whose frames must not be jumped over (they hold
 * destructors) calls each of them in a sw_guard, which returns in any case, unwinds its own way to the function that
 * the library called, and goes on failing there with sw_rethrow. */

typedef struct sw_caught sw_caught; /* what a guarded call failed with; belongs to the run */

/* Calls work(arg), which may call what is above and holds nothing that would have to be destroyed. NULL: it returned.
 * Guards may be nested. Also on the threads of sw_blocking, and in clean-ups. */
SW_API const sw_caught *sw_guard(void (*work)(void *arg), void *arg);
/* Fills *error (may be NULL) and returns true; false: it is no failure, but the run leaves memory (it parks, is
 * cancelled, the server drains), and all that is left to do is to return. Steps and waits do nothing any more. */
SW_API bool sw_caught_error(const sw_caught *caught, sw_error *error);
/* Fails here as the guarded call did. */
SW_API SW_NORETURN void sw_rethrow(const sw_caught *caught);

/* What the code that runs here was given as .arg (a step, handler) or `arg`; NULL if nothing. */
SW_API void *sw_arg(sw_ctx *c);
SW_API void sw_route_arg(sw_app *app, const char *route, sw_handler handler, void *arg);
SW_API void sw_group_branch_arg(sw_group *g, const char *id, sw_step_fn fn, sw_value input, void *arg);
/* sw_each_with in two parts: sw_group_wait is the second. */
SW_API sw_group *sw_each_begin(sw_ctx *c, const char *id, sw_step_fn fn, sw_value inputs,
                               const sw_each_options *options);
/* Waits until none of the group's steps and branches runs any more, also when the run leaves memory: before memory goes
 * that their `arg` points to. In the context that made the group, whether or not it was waited for. Never fails. */
SW_API void sw_group_join(sw_group *g);

/* ---- Miscellany ----------------------------------------------------------------------------------------------- */

/* Unix milliseconds, and 64 random bits; recorded, so that a replay sees the same. The next step begins once they are
 * on disk (one commit for as many as come together; not with SW_RELAXED). Inside a step they are fresh and not
 * recorded. */
SW_API int64_t sw_now(sw_ctx *c);
SW_API uint64_t sw_random(sw_ctx *c);

/* Runs fn(arg) on one of --blocking-threads threads, or waits for one, so that it may block or compute for long;
 * returns what it returned. In an endpoint only inside a step. `arg` is borrowed until fn returned; fn may not use `c`:
 * it is cut short there. */
SW_API void *sw_blocking(sw_ctx *c, void *(*fn)(void *arg), void *arg);

/* A line in the program's log, with the run's id. During a replay nothing is logged a second time. */
SW_API void sw_log(sw_ctx *c, const char *format, ...) SW_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif
#endif
