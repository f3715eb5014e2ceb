/* plain: a plain request: a handler's coroutine without a journal. It has the exchange to itself, and answers it when
 * its handler does. */
#ifndef RUNTIME_PLAIN_H
#define RUNTIME_PLAIN_H

#include <stdbool.h>

#include "runtime/run/run_input.h"

struct endpoint;
struct home;

/* Takes the exchange. False: nothing has begun, *why says for what reason, and the exchange is still the caller's. */
bool plain_begin(struct home *h, const struct endpoint *e, const run_input *input, http_exchange *x, run_refusal *why);

#endif
