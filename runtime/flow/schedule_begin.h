/* schedule_begin: the first entry of a run that a schedule begins. Owns nothing. */
#ifndef RUNTIME_FLOW_SCHEDULE_BEGIN_H
#define RUNTIME_FLOW_SCHEDULE_BEGIN_H

#include <msgpack.h>

#include "runtime/run/home.h"

struct endpoint;

/* Appends *started* of a run of the function: its input is {"schedule": name, "scheduled_at": point in Unix ms},
 * without what .omit leaves out. False: no memory. */
bool schedule_encode_start(home *h, const struct endpoint *function, int64_t point_ms, msgpack_sbuffer *to);

#endif
