/* span: one thing in a trace that took time, as it is kept until it is exported: a record of fixed size, which lies in
 * memory that may outlive the process (runtime/trace/spool.h). What does not fit is cut or left out, and counted. Owns
 * nothing. */
#ifndef RUNTIME_TRACE_SPAN_H
#define RUNTIME_TRACE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/trace/trace_context.h"

/* The kinds of OTLP. */
typedef enum span_kind { SPAN_INTERNAL = 1, SPAN_SERVER = 2, SPAN_CLIENT = 3 } span_kind;

typedef enum span_status { SPAN_UNSET = 0, SPAN_ERROR = 2 } span_status;

/* What a span says of itself. The numbers are in files: new ones come at the end. */
typedef enum span_key {
    SPAN_NAME,    /* no attribute, but the span's name */
    SPAN_MESSAGE, /* no attribute, but what the status says */
    SPAN_STATE,   /* no attribute, but the tracestate */
    SPAN_HTTP_METHOD,
    SPAN_HTTP_ROUTE,
    SPAN_HTTP_STATUS,
    SPAN_HTTP_RESPONSE_BYTES,
    SPAN_URL_FULL,
    SPAN_URL_PATH,
    SPAN_URL_SCHEME,
    SPAN_SERVER_ADDRESS,
    SPAN_SERVER_PORT,
    SPAN_ERROR_TYPE,
    SPAN_RUN,
    SPAN_RUN_OUTCOME,
    SPAN_STEP,
    SPAN_STEP_PATH,
    SPAN_ATTEMPT,
    SPAN_BRANCH,
    SPAN_EPOCH,
    SPAN_WAIT,
    SPAN_USAGE_MODEL,
    SPAN_USAGE_INPUT,
    SPAN_USAGE_OUTPUT,
    SPAN_USAGE_UNITS,
    SPAN_LINK, /* no attribute, but another span, as a traceparent */
    SPAN_KEYS
} span_key;

enum { SPAN_RECORD_BYTES = 1024, SPAN_TEXT_MAX = 400 /* bytes of one text; longer ones are cut */ };

typedef struct span {
    uint32_t state; /* the spool's */
    uint16_t len;   /* of `items` */
    uint8_t kind, status;
    uint32_t left_out; /* attributes for which there was no room */
    uint32_t is_request;
    uint8_t trace[TRACE_ID_BYTES];
    uint8_t run[16];             /* of the run that it is of; zeros: of a plain request */
    uint64_t id, parent;         /* parent 0: none */
    uint64_t began_ns, ended_ns; /* Unix */
    uint64_t began_us;           /* steady, of this process: how long the span took counts by it */
    char items[SPAN_RECORD_BYTES - 88];
} span;
_Static_assert(sizeof(span) == SPAN_RECORD_BYTES, "records of a file have one size");

/* Returns the wall clock, Unix nanoseconds. */
uint64_t span_now_ns(void);

/* Add what the span says. A text that is NULL or empty is not added. */
void span_put_text(span *s, span_key key, const char *text);
void span_put_bytes(span *s, span_key key, const char *text, size_t len);
void span_put_number(span *s, span_key key, int64_t n);
/* Links the span to another one, which is not its parent. */
void span_put_link(span *s, const trace_parent *to);
/* Makes the span one that failed, for this reason (error.type) and with this message. */
void span_fail(span *s, const char *type, const char *message);
/* Takes back what the span of a request has said of its end. */
void span_forget_end(span *s);
/* Sets when the span ended: now, as the steady clock tells it. */
void span_end_now(span *s);

/* One thing that a span says. */
typedef struct span_item {
    span_key key;
    bool is_number;
    int64_t number;
    const char *text; /* not zero-terminated */
    size_t len;
} span_item;

/* Gives the next item; *at begins with 0. False: there are no more, or the rest is damaged. */
bool span_next(const span *s, size_t *at, span_item *out);

/* Reads the span that the item links to. False: it is no link. */
bool span_item_link(const span_item *item, trace_parent *out);

/* Returns the span's flags as OTLP has them: sampled, and whether its parent is another process's. */
uint32_t span_flags(const span *s);

/* Returns the attribute's name; NULL: the key is none. */
const char *span_key_name(span_key key);

#endif
