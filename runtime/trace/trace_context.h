/* trace_context: what a request says of the trace that it belongs to: the headers traceparent and tracestate (W3C Trace
 * Context, level 2) and baggage (W3C Baggage), read from outside bytes. Owns nothing. What does not obey the grammar is
 * as if it were not there. */
#ifndef RUNTIME_TRACE_TRACE_CONTEXT_H
#define RUNTIME_TRACE_TRACE_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TRACE_ID_BYTES = 16,
    TRACE_ID_TEXT = 2 * TRACE_ID_BYTES, /* digits */
    TRACE_PARENT_TEXT = 55,             /* bytes of a traceparent of version 00 */
    TRACE_STATE_MAX = 512,              /* bytes that are taken of a tracestate */
    TRACE_STATE_MEMBERS_MAX = 32,
    TRACE_BAGGAGE_MAX = 8192, /* bytes of a baggage; a longer one is not taken */
    TRACE_BAGGAGE_MEMBERS_MAX = 64
};

enum { TRACE_FLAG_SAMPLED = 1 };

/* A span of a trace, as a traceparent names it. */
typedef struct trace_parent {
    uint8_t trace[TRACE_ID_BYTES]; /* not all zero */
    uint64_t span;                 /* not 0 */
    uint8_t flags;                 /* TRACE_FLAG_ */
} trace_parent;

/* Reads a traceparent: version 00, or what every later version begins with. False: it is none. */
bool trace_parent_read(const char *text, size_t len, trace_parent *out);
/* Writes it as version 00, and a zero behind. */
void trace_parent_write(const trace_parent *p, char out[TRACE_PARENT_TEXT + 1]);

/* Writes the digits of an id, and a zero behind. */
void trace_id_write(const uint8_t id[TRACE_ID_BYTES], char out[TRACE_ID_TEXT + 1]);
void trace_span_write(uint64_t span, char out[17]);

/* The members of one or several headers of one name, as one list. Zeros: nothing was added. */
typedef struct trace_state {
    char text[TRACE_STATE_MAX + 1]; /* zero-terminated */
    size_t len;
    unsigned members;
    bool is_cut; /* there was no room for a member: none is taken any more */
    bool is_bad; /* all of it is to be ignored */
} trace_state;

/* Adds a header's members. Of what is longer than TRACE_STATE_MAX the last members are left out, and before them those
 * of more than 128 bytes. Returns false, then and ever after: a member is malformed, a key comes twice, or there are
 * too many. */
bool trace_state_add(trace_state *s, const char *value, size_t len);

/* Whether the value of a baggage header is well formed; *members: adds how many it has. */
bool trace_baggage_is_good(const char *value, size_t len, unsigned *members);

#endif
