/* inquiry: an operator's request that waits for the store, for a thread of the pool, or for its run. Owns the exchange
 * from its beginning until the answer, and with the answer frees itself. A larger struct begins with it. */
#ifndef RUNTIME_ADMIN_INQUIRY_H
#define RUNTIME_ADMIN_INQUIRY_H

#include <stddef.h>

#include "http/server/server.h"
#include "runtime/base/json_writer.h"
#include "runtime/run/home.h"

typedef struct inquiry {
    home *home;
    http_exchange *x;
} inquiry;

/* Makes a struct of `size` bytes, zeroed, that begins with an inquiry, and takes the exchange. NULL: no memory, and the
 * exchange has its answer. */
void *inquiry_new(home *h, http_exchange *x, size_t size);
/* Answers with a problem; `retry_after` in seconds, NULL: it is of no use. */
void inquiry_refuse(inquiry *q, int status, const char *detail, const char *retry_after);
/* Answers 503: the store has not read what was asked for, and says why. */
void inquiry_refuse_store(inquiry *q, const char *error);
/* Answers 503: there was no memory. */
void inquiry_refuse_memory(inquiry *q);
/* Answers with the document, which is complete, and frees the writer, which is not the inquiry's own: that is freed. */
void inquiry_answer(inquiry *q, json_writer *w);

#endif
