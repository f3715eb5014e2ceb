/* request_parser: turns the bytes of one connection into requests. Pure: it knows no socket and no clock, so it can be
 * fuzzed. llhttp finds the parts of the head; then the head is checked to be exactly these parts and nothing
 * else, because llhttp before 9.3 lets through line ends, folds and white space that other parsers read differently.
 * Owns only what it allocates for a request with many headers or a long path; the bytes belong to the caller. */
#ifndef HTTP_SERVER_REQUEST_PARSER_H
#define HTTP_SERVER_REQUEST_PARSER_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/server/chunked.h"
#include "http/server/server.h"

typedef struct request_limits {
    size_t head_bytes_max;
    size_t headers_max;
    size_t body_bytes_max;
} request_limits;

typedef enum request_result {
    REQUEST_MORE,     /* all bytes taken, the request is not complete */
    REQUEST_EXPECTS,  /* the client waits for "100 Continue" before it sends the body; feed again after it was sent */
    REQUEST_COMPLETE, /* see request_parser_request; bytes behind the request are not touched */
    REQUEST_REFUSED   /* see status and detail; nothing more can be fed */
} request_result;

/* The caller's buffer. data[start..at) belongs to the request being parsed, data[at..end) was not looked at. */
typedef struct request_bytes {
    char *data;
    size_t start, at, end;
} request_bytes;

enum { REQUEST_PATH_INLINE = 160 };

typedef struct request_parser {
    llhttp_t llhttp;
    const request_limits *limits; /* borrowed, outlives the parser */
    http_header *headers;         /* lent by the caller, or `more_headers` */
    size_t headers_cap;
    size_t header_count;
    http_header *more_headers; /* owned; limits->headers_max of them, once the lent ones were too few */
    http_text method;
    http_text target;
    http_text authority; /* of a target "http://authority/path"; len 0: none. Set when the head is complete */
    size_t head_bytes;   /* of the head so far, blank lines before it included */
    size_t body_at;      /* offset of the body from the request's first byte */
    size_t body_len;     /* decoded so far */
    size_t body_need;    /* Content-Length */
    chunked chunked;
    char *long_path; /* owned; a terminated copy that does not fit in path_copy */
    char *host_copy; /* owned; of `authority`, which stands in for the Host header */
    char path_copy[REQUEST_PATH_INLINE];
    int status;         /* why the request was refused */
    const char *detail; /* static text for people */
    uint8_t stage;      /* enum in request_parser.c */
    bool is_chunked;
    bool expects; /* the client waits for the answer to "Expect: 100-continue" */
    bool is_persistent;
    bool http11; /* else 1.0 */
    bool torn;   /* a part of the head was not contiguous: a folded line */
} request_parser;

void request_parser_init(request_parser *p, const request_limits *limits);
void request_parser_free(request_parser *p);

/* Begins a request, before its first byte: its headers will lie in `headers`, which is lent until the next begin. */
void request_parser_begin(request_parser *p, http_header *headers, size_t headers_cap);
/* Parses bytes[at..end), and moves at. */
request_result request_parser_feed(request_parser *p, request_bytes *bytes);

/* Forgets the request, whose bytes are about to go. */
void request_parser_forget(request_parser *p);

/* True before the first byte and after a complete request. */
bool request_parser_idle(const request_parser *p);
/* True also when only empty lines have come, which some clients send behind a body. */
bool request_parser_waits(const request_parser *p);
bool request_parser_in_body(const request_parser *p);
/* Returns how many bytes a request with a body of known length needs, its terminating zero included; 0: not known. */
size_t request_parser_size(const request_parser *p);

/* Follows the request's bytes (bytes->start is the first), which have moved from `old` to `now`. */
void request_parser_rebase(request_parser *p, const char *old, char *now);

/* Fills *r from method to body after REQUEST_COMPLETE, and writes zeros behind the parts in place; false: out of
 * memory. The byte behind the body must be the caller's to overwrite: only the caller knows whether another request
 * begins there. */
bool request_parser_request(request_parser *p, const request_bytes *bytes, http_request *r);

/* Returns method and path of a request that is being refused; both are empty unless the whole target has come. */
void request_parser_route(const request_parser *p, http_text *method, http_text *path);

/* request_head.c: checks the whole head, head[0..len), and sets is_chunked and expects. False: refused. */
bool request_head_check(request_parser *p, const char *head, size_t len);
/* Refuses the request; returns false, for its callers to return. */
bool request_refuse(request_parser *p, int status, const char *detail);

#endif
