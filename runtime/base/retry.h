/* retry: how long to wait before the next attempt. Pure arithmetic: knows no clock and no random source. */
#ifndef RUNTIME_BASE_RETRY_H
#define RUNTIME_BASE_RETRY_H

#include <stdint.h>

enum { RETRY_BACKOFF_MS = 500, RETRY_BACKOFF_MAX_MS = 60000 };

/* Returns the milliseconds from the failure of attempt `attempt` (from 1) to the next attempt: backoff_ms (0:
 * RETRY_BACKOFF_MS) doubled for each attempt before, at most backoff_max_ms (0: RETRY_BACKOFF_MAX_MS), and of that a
 * random part between a half and the whole ("equal jitter", AWS Architecture Blog 2015), so that runs that failed
 * together do not come back together. */
int64_t retry_backoff_ms(uint32_t attempt, int64_t backoff_ms, int64_t backoff_max_ms, uint64_t random_bits);

/* Returns how long to wait when a server has asked for asked_ms: at most a day, never shorter, and up to a tenth
 * longer, so that clients of that server do not come back together. */
int64_t retry_asked_ms(int64_t asked_ms, uint64_t random_bits);

/* Returns the wait that a response asks for, at most a day: of its header "retry-after-ms" (milliseconds), else of
 * "Retry-After" (RFC 9110, 10.2.3: seconds, or an HTTP date, read against now_ms; 0: it is past). Each may be NULL. -1:
 * neither is there, or is understood. */
int64_t retry_after_ms(const char *milliseconds, const char *retry_after, int64_t now_ms);

#endif
