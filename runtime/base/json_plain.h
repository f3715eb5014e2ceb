/* json_plain: which bytes stand for themselves in a JSON string, for the reader and the writer. Pure. */
#ifndef RUNTIME_BASE_JSON_PLAIN_H
#define RUNTIME_BASE_JSON_PLAIN_H

/* Returns the first byte of [at, end) that does not stand for itself: a quote, a backslash, a control character, or the
 * first byte of what is no UTF-8. `end`: there is none. */
const char *json_plain_end(const char *at, const char *end);

#endif
