/* redact: which parts of requests, results and answers people are not to see (--redact), or of requests are left out of
 * runs (sw_endpoint_options.omit). Owns a list of keys, which is read once and does not change: any thread may ask.
 * Changes copies alone, never a journal.
 *
 *     header:NAME    a header of that name, in any case
 *     query:NAME     a parameter of a target's query
 *     json:NAME      a member of that name, at any depth
 *     json:/a/0/b    what RFC 6901 finds; "*" stands for each member or element
 *
 * and, where it is to, the tokens in URLs of runs (signals, outputs, streams), wherever they stand. */
#ifndef RUNTIME_BASE_REDACT_H
#define RUNTIME_BASE_REDACT_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>

#include "http/http_text.h"
#include "runtime/base/arena.h"

#define REDACTED "[redacted]"

typedef struct redact redact;

/* Reads a list of keys with commas; NULL: there are none. Returns NULL with a message in `error`, which begins with
 * `whose`: one of them is no key, or there is no memory. */
redact *redact_new(const char *whose, const char *list, char *error, size_t error_size);
/* From now on the tokens in URLs of runs are hidden, too. */
void redact_hide_tokens(redact *r);
void redact_free(redact *r); /* NULL is allowed */

/* In all of these NULL as `r` hides nothing. */

bool redact_has_header(const redact *r, const char *name, size_t len);
/* Whether a member of that name is hidden in a map that is in no other value. */
bool redact_has_member(const redact *r, const char *name, size_t len);
/* Whether any key is one of JSON; and whether all are. */
bool redact_has_json(const redact *r);
bool redact_is_of_json(const redact *r);
/* Replaces what is to be hidden in *v by REDACTED; arrays and maps around it are copied to `a`. A string, names of
 * members too, is a text of which redact_text shows the rest. False: no memory. */
bool redact_value(const redact *r, arena *a, msgpack_object *v);
/* Like redact_value, and adds to *hidden how many parts were hidden. */
bool redact_value_counted(const redact *r, arena *a, msgpack_object *v, size_t *hidden);
/* Returns the target (path and query) with the values of hidden parameters replaced, in `a` if there are any. NULL: no
 * memory. */
const char *redact_target(const redact *r, arena *a, const char *target, size_t *len);
/* Copies a text in which the same may stand (an error that quotes an answer, a line of a log) to `to`, zero-terminated,
 * and hides in it what can be told there: the value behind "NAME": of JSON, whole, cut or quoted in a string of other
 * JSON; behind NAME= of a query; and what stands behind NAME: of a header, to the line's end. Of json:/a/b a text has
 * no place, so that the last name alone counts; likewise a header's name counts as one of JSON. Of what does not fit
 * the rest is left out. Takes time in proportion to the text's length. Returns how many bytes there are without the
 * zero, like snprintf; `to` may be NULL with size 0. */
size_t redact_text(const redact *r, http_text text, char *to, size_t size);
/* Replaces *text by such a copy in `a` if something is hidden in it. False: no memory. */
bool redact_text_in(const redact *r, arena *a, http_text *text);
/* Whether the text, or a string of the JSON that it is, may have something that is hidden: a quick look where tokens of
 * URLs alone are. */
bool redact_may_hide(const redact *r, const char *text, size_t len);
/* Whether it would hide anything. */
bool redact_hides_in_text(const redact *r, http_text text);
/* Gives `put` the copy piece by piece: what is shown lies in `text` itself. */
typedef void redact_put(void *arg, const char *data, size_t len);
void redact_text_put(const redact *r, http_text text, redact_put *put, void *arg);
/* Like redact_value and redact_target, but takes away what they hide: a member or parameter with its name. Of an array,
 * whose elements are told by their number, the element becomes nil. */
bool redact_take_out(const redact *r, arena *a, msgpack_object *v);
const char *redact_target_take_out(const redact *r, arena *a, const char *target, size_t *len);

#endif
