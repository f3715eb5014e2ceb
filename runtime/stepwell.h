/* stepwell.h - durable HTTP endpoints as straight-line C coroutines. This header is the manual.
 *
 * A handler runs on a coroutine of its own: it may block in any function below without holding a thread. Inside an
 * endpoint, sw_step() marks what may fail or costs money. Each step's result is journaled; a step that fails is
 * retried alone; after a crash the handler runs again and finished steps answer from the journal. So code between
 * steps must do the same thing each time it runs: read the clock with sw_now(), randomness with sw_random(), and talk
 * to the outside only inside steps. `./program --prove "POST /orders"` checks a handler (docs/prove.md).
 *
 * Ownership: what a function here returns belongs to the run (inside a step: to that attempt) and is freed with the run
 * or attempt. Strings and bytes passed in are copied unless the comment says "borrowed". A sw_value points to its texts
 * and members: made by the functions here it lives as long as all that they return; filled in by hand it is borrowed
 * for the call.
 *
 * Times are in milliseconds; points in time are Unix milliseconds. Every number is accepted: a negative duration is
 * none, a negative point in time is over, and one after the year 9999 is the end of that year.
 *
 * Stack: handlers, branches and parallel steps have 64 KiB each (--stack-size). Large arrays belong in sw_alloc memory;
 * deep recursion, and libraries that need more stack, belong in sw_blocking. An overflow ends the process with a line
 * that names the handler and the run, if the code is compiled with the flags of `pkg-config --cflags stepwell`
 * (-fstack-clash-protection); without these flags a single frame of more than 128 KiB can overflow unseen.
 *
 * Where what may be called ("no" is misuse; what is not named here may be called anywhere):
 *
 *                                            endpoint's handler   function   step       plain route
 *     steps, groups (1), sw_patch            yes                  yes        no         no
 *     waits and signals (2)                  yes                  yes        no         no
 *     sw_call and alike                      yes                  yes        no         no
 *     sw_sleep, sw_now, sw_random            recorded             recorded   as it is   as it is
 *     sw_push_chunk, sw_label and alike      yes                  yes        yes        no
 *     sw_fetch and alike, sw_blocking        no                   no         yes        yes
 *     sw_step_key                            no                   no         yes        no
 *     sw_method to sw_header                 yes                  empty      yes (3)    yes
 *     sw_body, sw_body_json                  yes                  no         yes (3)    yes
 *     sw_reply and alike                     yes                  no         no         yes, sw_reply_open only here
 *
 * (1) sw_each, and whatever takes a group: its members (sw_group_step, sw_group_wait_for, sw_group_call and alike) and
 * what waits for it (sw_group_wait, sw_group_settle, sw_group_any). (2) sw_wait_for, sw_signal_url, sw_send_signal.
 * (3) In a step of a function as in the function. A branch is as the handler or function that it belongs to.
 *
 * A context may be used in the function that received it, while that function runs: not in its steps (each attempt has
 * a context of its own), not on another thread, not afterwards. For a group or stream, its context decides.
 *
 * Errors: misuse (an empty id, a step inside a step, another function's context, a value over its limit) fails the
 * misusing run with a message that says what to change; misuse never ends the process. A thread of the program's own
 * that uses a context has no run to fail: the thread ends, with a line in the log. */
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
typedef struct sw_group sw_group; /* steps, branches, calls, waits and sleeps, in parallel */
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
    SW_RELAXED     /* the response leaves at once; a crash before the commit that follows forgets the run */
} sw_durability;

typedef enum sw_retain {
    SW_RETAIN_ALL = 0, /* finished runs stay for the retention time (the default) */
    SW_RETAIN_FAILED,  /* only runs that failed stay */
    SW_RETAIN_NONE     /* the journal of a run goes soon after it ended */
} sw_retain;

typedef enum sw_disconnect {
    SW_GO_ON = 0, /* a client that goes away changes nothing (the default) */
    SW_CANCEL     /* when the last client goes away, and was not redirected to the run's URL, the run is cancelled */
} sw_disconnect;

/* What a run does about trouble that a person can mend. */
typedef enum sw_trouble {
    SW_REPORT = 0, /* of .on_difference (the default): the journal's result is used; the log, a metric and the run's
                      page report the difference */
    SW_FAIL = 0,   /* of .on_exhausted (the default): the run fails */
    SW_STOP        /* the run stops, with all that it has done, until somebody releases it (docs/http.md) */
} sw_trouble;

typedef struct sw_endpoint_options {
    const char *version; /* journaled with each run, 4,096 bytes at most; NULL: "" */
    sw_durability durability;
    sw_retain retain;
    int64_t retain_ms;                  /* how long an ended run stays; 0: --retain */
    const char *const *journal_headers; /* request headers to journal beyond the default list (accept, content-type,
                                           user-agent, prefer, idempotency-key), NULL-terminated; "authorization" and
                                           "cookie" are journaled only when they are named here */
    sw_disconnect on_disconnect;
    sw_trouble on_difference;  /* a resumed run passes a step another input than the journal's result was made from:
                                  the program has changed, or reads something that is not recorded. Reported once for
                                  each step and pair of versions (the run's, the endpoint's). SW_STOP also stops a run
                                  whose journal does not fit the code at all, which otherwise fails */
    sw_trouble on_exhausted;   /* a step has used its retries, and its failure would fail the run. With SW_STOP the run
                                  stops (reason exhausted) and its deadline stands still; a release gives that step its
                                  retries anew, and what was done stays done. A failure that is fatal, or that the
                                  handler has dealt with (sw_try, sw_group_settle), stops nothing */
    int64_t timeout_ms;        /* of the whole run, sleeps and restarts included: then it fails with 504; 0: no limit */
    const char *caller_header; /* request header that tells callers apart, such as "authorization": an Idempotency-Key
                                  counts for one caller only. NULL: all requests come from one caller */
    const char *cors_origin;   /* pages of this origin ("https://app.example.com", or "*") may call the endpoint:
                                  preflights are answered, all responses carry the header, refusals too. NULL: none */
    void *arg;                 /* for the handler: sw_arg(c); borrowed while the program runs */
    const char *const *omit;   /* parts of requests that are left out before the run begins, so that neither the journal
                                  nor the handler has them; NULL-terminated: "header:NAME", "query:NAME", "json:NAME" (a
                                  member of that name at any depth), "json:/a/b" (RFC 6901; "*" stands for each member
                                  or element). The body is then written anew as JSON; one that is not JSON gets 400 */
} sw_endpoint_options;

/* The layout of the structs and functions that a program compiled with this header takes from the library. The number,
 * and the library's soname with it, goes up when programs have to be compiled again. */
#define SW_ABI 2

/* Makes a program called `name` (shown in --help, --version and logs). sw_main frees it. With a library of another
 * SW_ABI than this header's, sw_main returns 2 and says so. */
#define sw_app_new(name) sw_app_new_abi((name), SW_ABI)
SW_API sw_app *sw_app_new_abi(const char *name, int abi);

/* Adds a durable endpoint: each request to it is a run. `route` is "METHOD /path", with ":name" for one segment of the
 * path: "GET /orders/:id". A request with an Idempotency-Key attaches to the run that an earlier request with that key,
 * target and body began (docs/http.md). `options` are copied, and may be NULL. A malformed or repeated route, or one of
 * more than 4,096 bytes: sw_main returns 2. */
SW_API void sw_endpoint(sw_app *app, const char *route, sw_handler handler, const sw_endpoint_options *options);

/* What becomes of a point in time of a schedule while the run of an earlier one has not ended. A run that is stopped
 * counts as ended. */
typedef enum sw_overlap {
    SW_OVERLAP_SKIP = 0, /* no run begins for it (the default) */
    SW_OVERLAP_QUEUE,    /* its run begins when the other one has ended; a later point takes its place meanwhile */
    SW_OVERLAP_REPLACE,  /* as SW_OVERLAP_QUEUE, and the other run is cancelled */
    SW_OVERLAP_ALLOW     /* its run begins at once */
} sw_overlap;

/* What a function has of sw_endpoint_options, under the same names, and its schedule. */
typedef struct sw_function_options {
    const char *version;
    sw_retain retain;
    int64_t retain_ms;
    sw_trouble on_difference;
    sw_trouble on_exhausted;
    int64_t timeout_ms;
    void *arg;
    const char *const *omit; /* parts of inputs: "json:NAME" and "json:/a/b" alone */
    const char *cron;        /* runs begin by themselves, one for each point in time (docs/schedules.md): "minute hour
                                day month weekday", as in "30 2 * * mon-fri"; "@hourly", "@daily" and the like; or
                                "@every 90s", counted from the Unix epoch. Their input is {"schedule": the function's
                                name, "scheduled_at": the point, Unix ms}. NULL: nothing begins by itself */
    const char *timezone;    /* of .cron, "Europe/Berlin"; NULL: UTC. A local time that the clocks leave out is the
                                moment at which they are put forward, one that they show twice is its first time */
    sw_overlap overlap;  /* the run of an earlier point has not ended; one that is stopped counts as ended, unless it
                            is stopped for having crashed the process: then no point has a run */
    int64_t catch_up_ms; /* points that passed while no process could begin their runs: of those that are no older
                            than this the newest gets a run. 0: none, but for one that is no older than a
                            minute and --drain */
} sw_function_options;

/* Adds a function: work that needs no request. POST /_sw/functions/NAME at the admin API begins a run of it and passes
 * its JSON body as `input`, nil if there is none (docs/functions.md). What fn(c, input) returns is the run's response:
 * 200, as JSON, for whoever asks its outputUrl. Else it is as the handler of an endpoint: steps, groups, sleeps and
 * values are journaled, code between steps does the same thing each time, a failure fails the run. Nobody sends a
 * request to it: see the headings The request and The reply. `name` is 1 to 128 bytes: segments of letters, digits,
 * '_', '.' and '-', none of them "." or "..", with single slashes between them: "orders/ship". `options` are copied,
 * and may be NULL. Another name, one that is there twice, or a schedule that cannot be: sw_main returns 2. */
SW_API void sw_function(sw_app *app, const char *name, sw_step_fn fn, const sw_function_options *options);

/* Adds a plain route: no run, no journal. Steps are refused in its handler; sw_fetch and sw_sleep work, unrecorded. */
SW_API void sw_route(sw_app *app, const char *route, sw_handler handler);

/* Serves GET and HEAD of the files below `dir` at `prefix` ("/" or "/assets"). A folder is answered with its
 * "index.html", and redirected if the request lacks its final slash ("/assets" to "/assets/"). */
SW_API void sw_static(sw_app *app, const char *prefix, const char *dir);

/* Adds a command-line flag of the program's own: --name VALUE, also the environment variable STEPWELL_NAME (upper case,
 * '-' as '_'). `fallback` is its value when not given (may be NULL), `value_name` and `help` are for --help. A flag
 * whose value_name is NULL is a switch: given alone, or with 1, true, yes or on, it reads as "1"; with 0, false, no or
 * off, and when it is not given, as NULL. */
SW_API void sw_flag(sw_app *app, const char *name, const char *value_name, const char *fallback, const char *help);

/* Whether the program is started with --check (docs/changing-code.md): nothing is served, and its handlers are executed
 * without their steps. So no service needs to be connected to. Valid from the function of sw_on_start on. */
SW_API bool sw_checking(sw_app *app);

/* Returns the flag's value, owned by the app; valid from the function of sw_on_start on. */
SW_API const char *sw_flag_value(sw_app *app, const char *name);

/* Has sw_main call fn(app, arg) once, after the flags are read and before anything is opened. `fn` returns NULL, or
 * what sw_main prints before it returns 2. */
SW_API void sw_on_start(sw_app *app, const char *(*fn)(sw_app *app, void *arg), void *arg);

/* Reads flags and environment (--help lists them), resumes unfinished runs, serves until SIGTERM or SIGINT, drains
 * and frees `app`. Returns the exit code: 0 after a drain; 2 for a wrong flag, an address in use, or a data folder
 * that cannot be used; 1 for anything else. */
SW_API int sw_main(sw_app *app, int argc, char **argv);

/* ---- The request ---------------------------------------------------------------------------------------------- */

/* The run of a function (sw_function) has no request: there sw_method and sw_path return "", sw_param, sw_query and
 * sw_header NULL, and sw_body and sw_body_json are misuse: what they would be for is the function's input. */

SW_API const char *sw_method(sw_ctx *c);
SW_API const char *sw_path(sw_ctx *c);                     /* decoded, without the query */
SW_API const char *sw_param(sw_ctx *c, const char *name);  /* ":name" of the route, decoded; NULL if the route has no
                                                              such segment */
SW_API const char *sw_query(sw_ctx *c, const char *name);  /* first query parameter of that name, decoded; a "%" that
                                                              begins no escape stands for itself; NULL if absent */
SW_API const char *sw_header(sw_ctx *c, const char *name); /* in any case; several lines are joined by commas; NULL if
                                                              absent. Endpoints see only headers that are journaled
                                                              (see journal_headers) */
SW_API sw_bytes sw_body(sw_ctx *c);                        /* with a zero behind its last byte */
SW_API sw_value sw_body_json(sw_ctx *c);                   /* not JSON: the client gets 400 and the handler ends, which
                                                              is no failed run; in a step, the step fails for good */
SW_API const char *sw_run_id(sw_ctx *c);                   /* 26 characters; "" in a plain route */

/* ---- The reply ------------------------------------------------------------------------------------------------ */

/* In a function all of these are misuse: it returns its result. */

/* Sets the response, which the client gets when the handler has returned; the handler goes on. A second response fails
 * the run. An endpoint that returns without a response answers 204. `status` is 200 to 599; 204, 205 and 304 are sent
 * without a body. A Content-Type of sw_reply_header beats `content_type`, which may be NULL. `data` may be NULL when
 * len is 0. */
SW_API void sw_reply(sw_ctx *c, int status, const char *content_type, const void *data, size_t len);
SW_API void sw_reply_json(sw_ctx *c, int status, sw_value value);                          /* application/json */
SW_API void sw_reply_text(sw_ctx *c, int status, const char *format, ...) SW_PRINTF(3, 4); /* text/plain, UTF-8 */

/* Adds a response header, before the reply; as many as the run's memory holds. Of a header that a response has once
 * (Content-Type, Location, ETag, ...) the last value counts. A response without Cache-Control gets "no-store". A name
 * or value that cannot be in a header (CR, LF, NUL, ...), or a header that the server sets, fails the run. */
SW_API void sw_reply_header(sw_ctx *c, const char *name, const char *value);

/* Writes a response piece by piece (chunked), in plain routes only. sw_reply_write waits while the client reads slowly,
 * and returns false once the client has gone away. When the handler returns, the response ends. sw_reply_abort cuts the
 * connection without an end, also before any response; so does a handler that fails, or still runs when --drain is
 * over. */
SW_API void sw_reply_open(sw_ctx *c, int status, const char *content_type);
SW_API bool sw_reply_write(sw_ctx *c, const void *data, size_t len);
SW_API void sw_reply_abort(sw_ctx *c);

/* ---- Values --------------------------------------------------------------------------------------------------- */

SW_API sw_value sw_nil(void);
SW_API sw_value sw_bool(bool value);
SW_API sw_value sw_int(int64_t value);
SW_API sw_value sw_double(double value);
SW_API sw_value sw_str(sw_ctx *c, const char *text);              /* zero-terminated; NULL gives nil */
SW_API sw_value sw_strn(sw_ctx *c, const char *text, size_t len); /* `len` bytes, zeros included */
SW_API sw_value sw_strf(sw_ctx *c, const char *format, ...) SW_PRINTF(2, 3);
SW_API sw_value sw_bin(sw_ctx *c, const void *data, size_t len);
/* Makes a map of "key", value, "key", value, ... in this order; a repeated key replaces the earlier value. A NULL
 * behind the last value is allowed and not needed. */
SW_API sw_value sw_map(sw_ctx *c, ...) SW_SENTINEL;
#define sw_map(...) (sw_map)(__VA_ARGS__, (const char *)0)
SW_API sw_value sw_array(sw_ctx *c, size_t count, ...); /* `count` values follow */
/* In a step, a variable of the function that called the step fails the run here, because what the step adds is freed
 * with its attempt. A step changes a variable of its own, such as its input, and returns it. */
SW_API void sw_push(sw_ctx *c, sw_value *array, sw_value value);               /* appends; *array may be nil */
SW_API void sw_set(sw_ctx *c, sw_value *map, const char *key, sw_value value); /* adds or replaces; *map may be nil */

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
/* Returns the key at `index` (from 0 to sw_len(map) - 1), with its value in *value (may be NULL); nil if out of range
 * or not a map. In a map that came from JSON each key is a string; in others it may be any value. */
SW_API sw_value sw_key_at(sw_value map, size_t index, sw_value *value);
SW_API size_t sw_len(sw_value value); /* of an array, map, string or binary; else 0 */
SW_API bool sw_is_nil(sw_value value);
SW_API int64_t sw_as_int(sw_value value, int64_t fallback); /* of integers, and floats without fraction */
SW_API double sw_as_double(sw_value value, double fallback);
SW_API bool sw_as_bool(sw_value value, bool fallback);
SW_API const char *sw_cstr(sw_ctx *c, sw_value value); /* a string, zero-terminated; NULL if the value is no string */
SW_API bool sw_equal(sw_value a, sw_value b);
SW_API bool sw_str_equal(sw_value value, const char *text); /* the value is that string; with NULL: the value is nil */

/* Reads JSON text as a value. Text that is not JSON, or nested deeper than 128 levels, fails the step or run with line
 * and column. A byte order mark is skipped; bytes that are no UTF-8 and half a surrogate pair (an emoji that was cut)
 * become U+FFFD; integers beyond 64 bits become doubles; of equal keys the last counts. Strings and keys may hold
 * zeros: see their size. JSON of 256 KiB or more is read and written on another thread, while the caller waits and
 * others go on: meanwhile neither the text nor a value made by hand may change (docs/api.md, *Large JSON*). */
SW_API sw_value sw_json_parse(sw_ctx *c, const char *data, size_t len);
/* Reads JSON text without failing: returns false, with the reason in *message (may be NULL). */
SW_API bool sw_json_try(sw_ctx *c, const char *data, size_t len, sw_value *out, const char **message);
/* Writes a value as JSON that every reader takes, zero-terminated. Bytes of a string that are no UTF-8 become U+FFFD,
 * binary becomes base64 text, NaN and infinity become null, a key that is no string becomes its JSON text. */
SW_API sw_bytes sw_json(sw_ctx *c, sw_value value);

/* ---- Memory --------------------------------------------------------------------------------------------------- */

SW_API void *sw_alloc(sw_ctx *c, size_t size); /* zeroed, aligned for any type, freed with the run or attempt */
SW_API char *sw_printf(sw_ctx *c, const char *format, ...) SW_PRINTF(2, 3);

/* A text that grows: `sw_text t = {0};`. The program owns the struct; its bytes live as long as memory of sw_alloc.
 * Adding takes constant time for each byte. A text belongs to the context that first added to it: the handler, a
 * branch, or one attempt of a step. Adding from another context fails the run. */
typedef struct sw_text {
    const char *data; /* NULL while the text is empty; see sw_text_str */
    size_t len;       /* bytes */
    size_t room;      /* the library's, as `owner` is */
    uint64_t owner;
} sw_text;
SW_API void sw_text_add(sw_ctx *c, sw_text *text, const char *format, ...) SW_PRINTF(3, 4);
SW_API void sw_text_add_bytes(sw_ctx *c, sw_text *text, const char *data, size_t len); /* zeros are kept */
SW_API const char *sw_text_str(const sw_text *text); /* zero-terminated; valid until the next addition */

/* Calls fn(arg) when the step attempt, branch or handler that `c` stands for ends, however it ends; the last one
 * added first. A clean-up that waits, or fails, fails the run. A run that parks for a long sleep ends its handler too,
 * with its clean-ups, and calls the handler again when the sleep is over. */
SW_API void sw_defer(sw_ctx *c, void (*fn)(void *arg), void *arg);

/* ---- Steps ---------------------------------------------------------------------------------------------------- */

enum { SW_NO_RETRIES = -1 };

typedef struct sw_step_options {
    int retries;            /* after the first attempt; 0: 4, SW_NO_RETRIES: none */
    int64_t timeout_ms;     /* of one attempt; 0: no limit. A timeout is a failure like any other */
    int64_t backoff_ms;     /* wait before the first retry; doubles each time, with jitter; 0: 500 */
    int64_t backoff_max_ms; /* the longest wait; 0: 60,000 */
    bool sync;              /* money moves: everything before the step is on disk before its first attempt, and its
                               result before the run goes on. Two commits */
    void *arg;              /* for fn: sw_arg(c'); borrowed until the step has ended. Unlike the input it is not
                               journaled */
    const char *metric;     /* the label `step` of its durations (docs/operations.md, Monitoring), for ids that are made
                               of data: "fetch" for "fetch https://..."; 1 to 80 bytes, borrowed as arg is. NULL: its
                               id, with "#" for each number in it */
} sw_step_options;

/* Why a step failed for good. A resumed run gets an equal error. Its texts belong to the run. */
typedef struct sw_error {
    const char *step;    /* the step's id, NULL outside steps */
    const char *message; /* what sw_fail or the library said */
    int attempts;        /* how many were made */
    bool fatal;          /* failed by sw_fail_fatal or misuse: not retried */
    bool retryable;      /* the opposite of fatal: another try might succeed, and the attempts were used up */
    int status;          /* the HTTP status that a service answered with, when sw_fetch_json or sw_response_check failed
                            the step for it; else 0 */
    const char *path;    /* the step in its branches: "order/pay"; "pay:1" for the second pay; NULL outside steps */
} sw_error;

/* Runs fn(c', input) with a context of its own and journals the result, which it returns; a failed attempt is made
 * again after a wait. `id` is 1 to 256 bytes and names the step in its branch; equal ids are told apart by their order.
 * When the last attempt failed, the run (or branch) fails here. */
SW_API sw_value sw_step(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input);
SW_API sw_value sw_step_with(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input, const sw_step_options *options);

/* Returns the number of this attempt of the step, from 1; 0 outside steps. */
SW_API int sw_attempt(sw_ctx *c);

/* Returns the step's name for the services it calls (Idempotency-Key, client reference): 26 characters that no other
 * step or run has, equal at every attempt and after every restart. Send it with whatever must not be done twice, and
 * let the service recognize the repetition. Inside a step only; valid until the attempt ends. The first 130 bits of
 * SHA-256(run id, path of the step) in Crockford's base 32; later versions will not change it. */
SW_API const char *sw_step_key(sw_ctx *c);

/* Like sw_step, with the result in *out; but when the last attempt failed it returns false and fills *err instead of
 * failing the run. `out` and `err` may be NULL. */
SW_API bool sw_try(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input, sw_value *out, sw_error *err);
SW_API bool sw_try_with(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input, const sw_step_options *options,
                        sw_value *out, sw_error *err);

/* ---- Fan-out -------------------------------------------------------------------------------------------------- */

/* Runs one step for each element of the array `inputs`, at most max_parallel at a time (0: all), and returns their
 * results in input order. Once a step has failed for good, no other step and no further attempt begins; attempts under
 * way are waited for and journaled, then the run (or branch) fails with the first failure in input order. */
SW_API sw_value sw_each(sw_ctx *c, const char *id, sw_step_fn fn, sw_value inputs, size_t max_parallel);

typedef struct sw_each_options {
    size_t parallel_max;  /* steps at a time, waits between attempts included; 0: all */
    bool settle;          /* failures are tolerated: every step is run, and the result is that of sw_group_settle */
    sw_step_options step; /* of each step */
} sw_each_options;
SW_API sw_value sw_each_with(sw_ctx *c, const char *id, sw_step_fn fn, sw_value inputs, const sw_each_options *options);

typedef struct sw_group_options {
    size_t parallel_max;  /* steps and branches at a time, the others begin in start order; 0: all */
    bool settle;          /* sw_group_wait returns what sw_group_settle does */
    sw_step_options step; /* of steps that are started without options of their own */
} sw_group_options;
/* Makes a group, whose members begin as soon as parallel_max lets them: steps and branches, waits and sleeps (Waiting),
 * calls of functions (sw_group_call). Freed with the run; `options` are copied. */
SW_API sw_group *sw_group_new(sw_ctx *c);
SW_API sw_group *sw_group_new_with(sw_ctx *c, const sw_group_options *options);
/* Adds a step. Inputs of steps and branches are copied. */
SW_API void sw_group_step(sw_group *g, const char *id, sw_step_fn fn, sw_value input);
SW_API void sw_group_step_with(sw_group *g, const char *id, sw_step_fn fn, sw_value input,
                               const sw_step_options *options);
/* Adds a branch, whose result fn returns: it runs beside the other members, and may hold steps and groups itself. */
SW_API void sw_group_branch(sw_group *g, const char *id, sw_step_fn fn, sw_value input);

/* Waits for all members and returns an array of their results in start order. If a member failed, the others are waited
 * for, retries included, and then the run (or branch) fails with the first failure in start order; its waits and sleeps
 * are given up at once. A second wait for a group fails the run. A group that nobody waits for ends before its handler
 * or branch does; its failures are lost. */
SW_API sw_value sw_group_wait(sw_group *g);
/* Waits for the first success, which decides the group: *out (may be NULL) is its result, and its number among the
 * members, from 0, is returned. The others lose: calls of attempts under way are cut, what has not begun never does,
 * waits are given up (a signal stays for the next wait), runs that were called are cancelled, and branches unwind as
 * those of a run that is cancelled; the call returns when no code of theirs runs. What a loser's attempt has called may
 * have been done. A sleep does not win while a signal for a wait of the group is on its way to the disk. The decision
 * is recorded as `id`, on disk before the next step begins: a replay comes to the same, and begins nothing of the
 * losers. If all members fail, so does the run (or branch), as of sw_group_wait. For groups without .settle, not with
 * SW_RELAXED. */
SW_API size_t sw_group_any(sw_group *g, const char *id, sw_value *out);
/* Waits for all members and never fails: an array of {"ok": true, "value": v} or {"ok": false, "error": message}. */
SW_API sw_value sw_group_settle(sw_group *g);

/* ---- Failing -------------------------------------------------------------------------------------------------- */

/* Ends the step attempt here (to be retried), or outside a step the branch or run. Never returns: like every function
 * that fails it jumps to where the attempt, branch or handler was called, so that only clean-ups of sw_defer run on the
 * way. Destructors of C++ do not run: C++ uses <stepwell.hpp>. */
SW_API SW_NORETURN void sw_fail(sw_ctx *c, const char *format, ...) SW_PRINTF(2, 3);
SW_API SW_NORETURN void sw_fail_after(sw_ctx *c, int64_t ms, const char *format, ...) SW_PRINTF(3, 4); /* retry in ms */
SW_API SW_NORETURN void sw_fail_fatal(sw_ctx *c, const char *format, ...) SW_PRINTF(2, 3);             /* no retry */

/* ---- Calls of functions --------------------------------------------------------------------------------------- */

/* A function that is called (sw_function) is a run of its own, the child of the run that calls it: with its own
 * journal, retries, deadline and page, on whichever loop. The call is journaled, in one commit with the child's
 * beginning: whatever process dies when, each call begins one child. A run that only waits for its children leaves
 * memory. When it ends without waiting (it is cancelled, say, or over its deadline), its children are cancelled; when
 * it is stopped they go on. A run calls --children-max functions at most, and --call-depth-max runs call one another in
 * a row; a function that is stopped (docs/operations.md) is called all the same. In handlers, functions and their
 * branches; in steps, plain routes and endpoints with SW_RELAXED a call is misuse, and so is one of a function that the
 * program does not have. `id` names the call as that of a step does. */
typedef struct sw_call_options {
    int64_t at_ms;      /* Unix: the child begins then, not before; 0: at once */
    bool detached;      /* nobody waits for the child: the call returns {"run": id} as soon as it is decided */
    int64_t timeout_ms; /* until the child's deadline, from its beginning; 0: none. The function's own timeout_ms holds
                           all the same, the first of them counts; and a caller over its deadline cancels its children
                         */
} sw_call_options;

/* Calls the function and returns its result, at most --step-result-max of it. When the child fails, or is cancelled,
 * the run (or branch) fails here, with the child's message: calls are not tried again, since the steps of the child
 * have been. */
SW_API sw_value sw_call(sw_ctx *c, const char *id, const char *function, sw_value input);
SW_API sw_value sw_call_with(sw_ctx *c, const char *id, const char *function, sw_value input,
                             const sw_call_options *options);
/* Like sw_call, with the result in *out; but when the child fails it returns false and fills *err instead of failing
 * the run. `out` and `err` may be NULL. */
SW_API bool sw_try_call(sw_ctx *c, const char *id, const char *function, sw_value input, sw_value *out, sw_error *err);
SW_API bool sw_try_call_with(sw_ctx *c, const char *id, const char *function, sw_value input,
                             const sw_call_options *options, sw_value *out, sw_error *err);
/* Adds a call to a group. It begins at once, whatever the group's parallel_max, and costs no stack: a group may have as
 * many as a run may call. It is waited for as a step is, also when another member has failed. */
SW_API void sw_group_call(sw_group *g, const char *id, const char *function, sw_value input);
SW_API void sw_group_call_with(sw_group *g, const char *id, const char *function, sw_value input,
                               const sw_call_options *options);

/* ---- Calls to other services ---------------------------------------------------------------------------------- */

/* Where a call may lead. SW_PUBLIC: each address that is connected to, behind every look-up and redirect, has to be of
 * the public network: no private, loopback, link-local, metadata or other special address (docs/api.md). Otherwise the
 * call fails for good with a message that names host and address. */
typedef enum sw_reach { SW_ANYWHERE, SW_PUBLIC } sw_reach;

typedef struct sw_request {
    const char *method;         /* NULL: GET, or POST with a body */
    const char *url;            /* http:// or https:// */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    sw_bytes body;
    int64_t timeout_ms;     /* the whole call, to its last byte; 0: 60,000, of a streaming call 3,600,000 */
    int64_t silence_ms;     /* how long nothing may arrive; 0: of a streaming call 60,000, of others any time. While
                               sw_sse_next waits, events alone end it: no comments, nor events called ping_event */
    const char *ping_event; /* the name of events that only say that the service lives; NULL: every event counts */
    size_t response_max; /* bytes of the response, unpacked; 0: 16 MiB. Of a streaming call: of one event; 0: 4 MiB */
    sw_reach allow;      /* SW_PUBLIC: for URLs that somebody else has chosen */
    int redirects; /* how many to follow, each with a request of its own (docs/api.md); 0: none, 3xx is the response */
    bool retry_bad_json; /* sw_fetch_json: a 2xx that is not JSON is asked, and paid, for again; false: it is fatal */
} sw_request;

typedef struct sw_response {
    int status;                 /* 100 to 999, as the service sent it */
    const char *const *headers; /* "Name: value", NULL-terminated */
    sw_bytes body;              /* with a zero behind its last byte */
} sw_response;

/* Makes one HTTP call and returns the response, whatever its status. In an endpoint only inside a step: a call between
 * steps would be made again at every replay, and is refused. No response (name, connection, time) fails, retryable;
 * what another try cannot change is fatal: a certificate, a URL, a response over its limit, redirects that lead nowhere
 * (docs/api.md). One call puts one request on the wire, unless its method is GET, HEAD, OPTIONS or TRACE. Of another
 * that was sent and not answered the message says "it may have been done"; the retries decide. */
SW_API sw_response sw_fetch(sw_ctx *c, const sw_request *request);

/* Makes one HTTP call and returns its 2xx response as JSON, nil for an empty body (204). 408, 409, 425, 429, 5xx and
 * network errors fail, retryable (x-should-retry is obeyed; Retry-After and retry-after-ms lengthen the backoff); other
 * statuses are fatal, with an excerpt of the body in the message. A 2xx that is not JSON is fatal too: the service has
 * done its work, and would do it again. */
SW_API sw_value sw_fetch_json(sw_ctx *c, const sw_request *request);

/* Fails the step as sw_fetch_json does, unless the response's status is 2xx. */
SW_API void sw_response_check(sw_ctx *c, const sw_request *request, const sw_response *response);
SW_API const char *sw_response_header(const sw_response *response, const char *name, sw_ctx *c); /* NULL if absent */

typedef struct sw_stream sw_stream; /* a response whose body is read as it arrives */

typedef struct sw_sse {
    const char *event; /* "message" if the server named none */
    const char *data;  /* zero-terminated; lines joined by '\n' */
    size_t len;        /* bytes of data */
    const char *id;    /* last event id, "" if none */
} sw_sse;

/* Opens a streaming call, over HTTP/1.1 on a connection of its own; at most 256 KiB wait unread. Returns when the
 * response's head is there, whatever its status. The stream closes itself when the attempt ends. */
SW_API sw_stream *sw_fetch_open(sw_ctx *c, const sw_request *request);
/* Returns status and headers, for sw_response_check. The body is empty for 2xx; for other statuses it is the first 400
 * bytes, which sw_fetch_read returns all the same. */
SW_API const sw_response *sw_fetch_head(const sw_stream *s);
/* Returns the next bytes, valid until the next read; len 0 at the end. A connection that breaks fails the step. */
SW_API sw_bytes sw_fetch_read(sw_stream *s);
/* Fills *event with the next server-sent event, valid until the next read; returns false at the end of the stream. */
SW_API bool sw_sse_next(sw_stream *s, sw_sse *event);
SW_API void sw_fetch_close(sw_stream *s); /* before the end of the stream this cancels the call */

/* ---- Streaming to the client ---------------------------------------------------------------------------------- */

/* Sends a chunk to clients that read the run as a stream (Accept: text/event-stream); other clients see none. Inside a
 * step the chunk counts when the step succeeds, and is taken back when the attempt fails. A chunk is journaled before
 * it is sent, has at most --step-result-max bytes and counts in --run-state-max; its texts have to be whole UTF-8
 * characters (bytes go in sw_bin and arrive as base64). Breaking one of these rules fails the step or run. */
SW_API void sw_push_chunk(sw_ctx *c, sw_value value);

/* ---- What a run says of itself -------------------------------------------------------------------------------- */

/* These three may be called in an endpoint's handler and branches and in its steps. What they say is journaled with the
 * next commit, shown in lists of runs, and never counts as the run's result. Outside steps a replay does not say it
 * again. In a plain route they are misuse. */

/* Gives the run a label, by which operators find it: sw_label(c, "customer", id). A run has at most 8; the same key
 * again replaces the text. Key and text are at most 64 bytes of UTF-8 without control characters; a key has at least
 * one byte and no colon. Breaking one of these rules fails the step or run. */
SW_API void sw_label(sw_ctx *c, const char *key, const char *value);

/* Says how far the run is: sw_status(c, sw_map(c, "done", sw_int(3), "of", sw_int(10))). The newest status counts, also
 * of an attempt that fails. Of those that come before one commit the last is journaled, so saying it often is cheap.
 * Clients that read the run as a stream get it as a frame `stepwell.status`. At most --status-max bytes of msgpack,
 * with whole UTF-8 characters; else the step or run fails. */
SW_API void sw_status(sw_ctx *c, sw_value value);

/* What a call to a model or another paid service used. Negative numbers count as 0. */
typedef struct sw_usage_of {
    const char *model; /* at most 256 bytes; NULL: none */
    int64_t input_tokens, output_tokens;
    int64_t units; /* anything else that is paid for: searches, pages, seconds */
} sw_usage_of;
/* Adds to what the run has used: usage is journaled for each call of this function, and summed up for the run. Say it
 * in the step that makes the call, as soon as the service has told it: an attempt that fails afterwards was paid for
 * too, and the next attempt is paid for again. */
SW_API void sw_usage(sw_ctx *c, const sw_usage_of *of);

/* ---- Waiting -------------------------------------------------------------------------------------------------- */

/* Sleeps, also through restarts: the sleep's end is journaled. Inside a step or a plain route nothing is journaled.
 * sw_sleep takes `ms`, whatever the machine's clock is set to meanwhile; after a restart it ends at the journaled time,
 * at the latest `ms` after the restart. sw_sleep_until follows the clock when it is set, forward and back. */
SW_API void sw_sleep(sw_ctx *c, const char *id, int64_t ms);
SW_API void sw_sleep_until(sw_ctx *c, const char *id, int64_t unix_ms);

/* What a run waits for. Without timeout_ms and until_ms it waits for as long as its deadline lets it. */
typedef struct sw_wait {
    const char *signal; /* its name: 1 to 128 bytes of UTF-8 without control characters */
    /* How long, as sw_sleep counts; SW_NO_WAIT, or any negative number: not at all; 0: no timeout. */
    int64_t timeout_ms;
    int64_t until_ms; /* or until when, as sw_sleep_until has it; 0: no such time */
} sw_wait;

enum { SW_NO_WAIT = -1 };

/* Waits for a signal: JSON that somebody sends to the run (POST /_sw/runs/ID/signals/NAME, docs/waiting.md). Returns
 * true with the signal in *out (may be NULL; nil if none was sent with it), false at the timeout. A signal that has
 * come before is kept, and taken at once; of equal names the first is taken first, and each once. A signal that is on
 * disk counts even if the timeout is over. What the wait has got is recorded: a replay gets it again, and the next step
 * begins once it is on disk. A run that only waits leaves memory, for years if need be; its client is sent on to the
 * run's URL. In handlers, functions and their branches, not in steps, nor with SW_RELAXED: a call there fails the run.
 * `id` names the wait as that of a step does. */
SW_API bool sw_wait_for(sw_ctx *c, const char *id, const sw_wait *wait, sw_value *out);

/* Add members that run no code: a wait for a signal as sw_wait_for has it, whose result is the signal, and which fails
 * at its timeout; and a sleep as sw_sleep and sw_sleep_until have it, whose result is nil. They begin at once, whatever
 * parallel_max says, and count in --steps-max, but need no stack: a group may have thousands. A signal is taken when
 * the group is waited for, not before. */
SW_API void sw_group_wait_for(sw_group *g, const char *id, const sw_wait *wait);
SW_API void sw_group_sleep(sw_group *g, const char *id, int64_t ms);
SW_API void sw_group_sleep_until(sw_group *g, const char *id, int64_t unix_ms);

/* ---- Questions and signals ------------------------------------------------------------------------------------ */

/* What a person sees who follows the URL of a question. */
typedef struct sw_question {
    const char *text;           /* at most 16,384 bytes of UTF-8; NULL: the name of the signal */
    const char *const *choices; /* NULL-terminated, at most 32 of 1 to 256 bytes; the answer is one of them, a string.
                                   NULL: any JSON; the page has a field, and what is written there is a string */
} sw_question;
/* Asks one question: returns a URL, recorded, to be sent to whoever answers it (in a step). There the person finds a
 * page with text and choices; programs POST the answer as JSON. It reaches the run as a signal of that name, taken by
 * sw_wait_for. The first answer counts: who comes later, or once more, is told what was decided, for as long as the run
 * is kept. The answer goes to the waits of its own question alone: those for that name behind the newest question of
 * their branch (of the run, if the branch has asked none), until it is answered; so wait before you ask anew under one
 * name. Looking at the page decides nothing. The URL begins as --public-url says, or with the address of --listen;
 * without either the run fails. `question` may be NULL. To be called where sw_wait_for may be. */
SW_API const char *sw_signal_url(sw_ctx *c, const char *id, const char *signal, const sw_question *question);

/* Sends a signal to another run, or to this one: true: that run gets it, as if a client had sent it; false: there is no
 * such run, or it has ended, or the text is no id. Which of the two is recorded, together with the signal in one
 * commit: it is sent once, whatever becomes of either run and of the process. A run that ends before it takes the
 * signal drops it. If the other run has --signals-max signals that it has not taken (or --signals-bytes-max), this run
 * fails: it would wait for one that takes none. The value is at most --signal-max bytes as msgpack. Of a run that this
 * program works for. To be called where sw_wait_for may be; `id` names the call as that of a step does. */
SW_API bool sw_send_signal(sw_ctx *c, const char *id, const char *run_id, const char *signal, sw_value value);

/* ---- Other languages ------------------------------------------------------------------------------------------ */

/* What a binding needs; <stepwell.hpp> is the binding for C++. The functions above that fail do not return: they jump
 * to where the step attempt, branch or handler was called. A language whose frames must not be jumped over, since they
 * hold destructors, calls each of these functions in a sw_guard, which returns in any case. It then unwinds in its own
 * way to the function that the library called, and goes on failing there with sw_rethrow. */

typedef struct sw_caught sw_caught; /* what a guarded call failed with; belongs to the run */

/* Calls work(arg), which may call the functions above and holds nothing that has to be destroyed. Returns NULL if
 * `work` returned. Guards may be nested, and used on the threads of sw_blocking and in clean-ups. */
SW_API const sw_caught *sw_guard(void (*work)(void *arg), void *arg);
/* Fills *error (may be NULL) and returns true. False: no failure was caught; the run leaves memory (it parks, is
 * cancelled, or the server drains), steps and waits do nothing any more, and all that is left to do is to return. */
SW_API bool sw_caught_error(const sw_caught *caught, sw_error *error);
/* Fails here as the guarded call did. */
SW_API SW_NORETURN void sw_rethrow(const sw_caught *caught);

/* Returns what the running handler, step or branch was given as .arg or `arg`; NULL if nothing. */
SW_API void *sw_arg(sw_ctx *c);
SW_API void sw_route_arg(sw_app *app, const char *route, sw_handler handler, void *arg);
SW_API void sw_group_branch_arg(sw_group *g, const char *id, sw_step_fn fn, sw_value input, void *arg);
/* The first half of sw_each_with; sw_group_wait is the second. */
SW_API sw_group *sw_each_begin(sw_ctx *c, const char *id, sw_step_fn fn, sw_value inputs,
                               const sw_each_options *options);
/* Waits until none of the group's steps and branches runs any more, also when the run leaves memory, so that what their
 * `arg` points to may be freed. In the context that made the group, before or after a wait for it. Never fails. */
SW_API void sw_group_join(sw_group *g);

/* ---- Changing code while runs are alive ----------------------------------------------------------------------- */

/* Whether this run takes the new way of code that was changed: `if (sw_patch(c, "tax")) new code; else old code;`. The
 * first call with an id decides for the whole run, and its answer is recorded: false if the run has been behind this
 * place already (its journal, as it was loaded, has something that the code has not come to here), else true. In a
 * parallel part of the handler (from sw_group_new to the wait for the group), in whichever branch, the place is where
 * that part begins. `id` is 1 to 256 bytes. In handlers and branches of endpoints, not in steps: a call there fails the
 * run. The old way may go when no run of it is left; then the call itself may (docs/changing-code.md). */
SW_API bool sw_patch(sw_ctx *c, const char *id);

/* Returns the version that the endpoint had when the run began (sw_endpoint_options), in whichever process; "" if it
 * had none, and in a plain route. */
SW_API const char *sw_version(sw_ctx *c);

/* ---- Miscellany ----------------------------------------------------------------------------------------------- */

/* Return Unix milliseconds, and 64 random bits. Outside steps the value is recorded, so that a replay sees it again,
 * and the next step begins once it is on disk (one commit for as many values as come together; with SW_RELAXED at
 * once). Inside a step the value is fresh and not recorded. */
SW_API int64_t sw_now(sw_ctx *c);
SW_API uint64_t sw_random(sw_ctx *c);

/* Runs fn(arg), which may block or compute for long, on one of --blocking-threads threads; returns its result. A run
 * that is cancelled or leaves memory before a thread is free does not call fn. In an endpoint only inside a step. `arg`
 * is borrowed until fn has returned. A use of `c` in fn ends fn there and fails the step. */
SW_API void *sw_blocking(sw_ctx *c, void *(*fn)(void *arg), void *arg);

/* Writes a line in the program's log, with the run's id. A replay does not log a line again. */
SW_API void sw_log(sw_ctx *c, const char *format, ...) SW_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif
#endif
