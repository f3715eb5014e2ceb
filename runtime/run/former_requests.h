/* former_requests: what becomes of the spans of requests that a former process had under way (runtime/trace/tracer.h),
 * once a home knows its unfinished runs: those of runs that go on are this process's to tell, all others are exported,
 * with what the journal knows. Owns nothing that outlives its reads. On the home's thread. */
#ifndef RUNTIME_RUN_FORMER_REQUESTS_H
#define RUNTIME_RUN_FORMER_REQUESTS_H

struct home;

/* Settles the spans of this home's runs. The home has read the live table to its end. What cannot be read waits for the
 * next process. */
void former_requests_settle(struct home *h);

#endif
