/* calls: one call to another service as a handler makes it, on http_client: sw_fetch, sw_fetch_json and what streams
 * (call_stream.c) share with them. Owns nothing beyond the call. Everything here runs on the handler's stack and may
 * fail its step. */
#ifndef RUNTIME_API_CALLS_H
#define RUNTIME_API_CALLS_H

#include "http/client/client.h"
#include "runtime/stepwell.h"

enum { CALL_EXCERPT_MAX = 400 /* bytes of a refusing response's body that messages quote */ };

/* The URL as messages may show it: without user, password, query and fragment. In the attempt's memory. */
const char *call_url_shown(sw_ctx *c, const char *url);
/* Fails where a replay would make the call again. `caller`: who called `what`. */
void call_check_context(sw_ctx *c, const char *what, const void *caller);
int64_t call_silence_ms(const sw_request *request, bool streaming); /* the longest; 0: any */
http_call *call_start(sw_ctx *c, const sw_request *request, bool streaming);
/* Suspends until the call is that far. A call that failed before, or a run that leaves, closes it and does not return.
 */
void call_wait(sw_ctx *c, http_call *call, http_call_state at_least);
/* Ends it, done or not, and notes it for the entry of the attempt. */
void call_close(sw_ctx *c, http_call *call);
SW_NORETURN void call_fail(sw_ctx *c, http_call *call);              /* closes it */
const char *const *call_headers(sw_ctx *c, const char *const *from); /* a copy; NULL: out of memory */

#endif
