/* chunked: decodes the chunked transfer coding of a request's body, byte ranges in, byte ranges out. Owns nothing but
 * its position; never allocates or reads. It is ours because llhttp 8.1 (Debian 12, loose mode) skips the line ends of
 * chunks without looking at them, which lets two parsers disagree about where a request ends. Here every line ends in
 * CRLF, sizes have at most 15 digits, and extensions and trailers are checked, counted and dropped. */
#ifndef HTTP_SERVER_CHUNKED_H
#define HTTP_SERVER_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

#include "http/http_text.h"

#include "http/http_text.h"

#define CHUNKED_EXTRA_BYTES_MAX 8192u /* extensions and trailers of one body together */

typedef enum chunked_result {
    CHUNKED_MORE,      /* all bytes were taken, the body goes on */
    CHUNKED_DONE,      /* the last byte of the body was taken; more may follow it */
    CHUNKED_BAD,       /* not chunked coding */
    CHUNKED_TOO_LARGE, /* the announced chunk goes beyond bytes_max */
    CHUNKED_TOO_MUCH   /* extensions and trailers are beyond their limit */
} chunked_result;

typedef struct chunked {
    uint64_t chunk_left; /* bytes of the current chunk still to come */
    uint64_t total;      /* decoded bytes so far */
    uint64_t bytes_max;  /* limit of total */
    uint32_t extra;      /* bytes of extensions and trailers so far */
    uint8_t digits;      /* of the size being read */
    uint8_t state;       /* enum in chunked.c */
} chunked;

void chunked_init(chunked *c, uint64_t bytes_max);

/* Decodes bytes of a body; *taken is how many were used. *out_len decoded bytes go to `out`, which may overlap `in`
 * unless it begins behind it. Not called again after CHUNKED_DONE or an error. */
chunked_result chunked_decode(chunked *c, http_text in, size_t *taken, char *out, size_t *out_len);

#endif
