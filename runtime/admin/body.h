/* body: the JSON object that comes with a request to the admin API. Owns nothing. */
#ifndef RUNTIME_ADMIN_BODY_H
#define RUNTIME_ADMIN_BODY_H

#include "http/server/server.h"
#include "runtime/base/arena.h"
#include "runtime/stepwell.h"

/* A member that the object may have. */
typedef struct body_member {
    const char *name;
    sw_kind kind;    /* SW_NIL: any */
    sw_value *value; /* filled; nil if the object has none, or null */
} body_member;

/* Reads the body of the exchange into `a`: an object with these members and no others, or nothing, which is an object
 * without members. False: it is something else, or there is no memory, and the exchange has its answer: 400 names what
 * is wrong. */
bool body_read(http_exchange *x, arena *a, const body_member *members, size_t count);

/* Copies a string, or for nil the empty one, to `to`, which has room for `bytes_max` and a zero. False: it is longer,
 * has U+0000, which would end it, or is no string. */
bool body_copy_text(char *to, size_t bytes_max, sw_value text);
/* What is said of a text that no letter takes (LETTER_TEXT_MAX). */
extern const char body_no_letter_text[];

#endif
