/* calls: one call to another service as a handler makes it, on http_client: sw_fetch, sw_fetch_json, and what streaming
 * calls (call_stream.c) share with them. A call belongs to the attempt that started it, which closes it. All functions
 * run on the handler's stack, and may suspend it, or fail its step. */
#ifndef RUNTIME_API_CALLS_H
#define RUNTIME_API_CALLS_H

#include "http/client/client.h"
#include "runtime/stepwell.h"

enum { CALL_EXCERPT_MAX = 400 /* bytes of a refusing response's body that messages quote */ };

/* Returns the URL as messages may show it, without user, password, query and fragment; in the context's memory. */
const char *call_url_shown(sw_ctx *c, const char *url);
/* Fails `c` outside steps of an endpoint, where a replay would make the call again. `what`: the function of stepwell.h,
 * `caller`: where in the program it was called. */
void call_check_context(sw_ctx *c, const char *what, const void *caller);
/* Returns how long nothing may arrive; 0: for ever. */
int64_t call_silence_ms(const sw_request *request, bool streaming);
/* Starts the call, which wakes the strand of `c` whenever it changes. The caller owes a call_close. */
http_call *call_start(sw_ctx *c, const sw_request *request, bool streaming);
/* Suspends until the call has come to `at_least`. When the call fails first, or the run leaves memory, it closes the
 * call and fails `c`. */
void call_wait(sw_ctx *c, http_call *call, http_call_state at_least);
/* Ends the call, done or not, and adds it to the calls that the attempt's entry names. */
void call_close(sw_ctx *c, http_call *call);
/* Closes a call that has failed and fails `c` with its error. */
SW_NORETURN void call_fail(sw_ctx *c, http_call *call);
/* Copies a NULL-terminated list to the context's memory. NULL: out of memory. */
const char *const *call_headers(sw_ctx *c, const char *const *from);

#endif
