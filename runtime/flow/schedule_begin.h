/* schedule_begin: what a run of a schedule is given, and its first entry. Owns nothing. */
#ifndef RUNTIME_FLOW_SCHEDULE_BEGIN_H
#define RUNTIME_FLOW_SCHEDULE_BEGIN_H

#include <msgpack.h>

#include "runtime/run/home.h"

struct endpoint;

/* {"schedule": the function's name, "scheduled_at": the point in Unix ms}; not to be moved while its value is used. */
enum { SCHEDULE_INPUT_PAIRS = 2 };
typedef struct schedule_input {
    msgpack_object_kv pairs[SCHEDULE_INPUT_PAIRS];
} schedule_input;

schedule_input schedule_input_make(const struct endpoint *function, int64_t point_ms);
/* Borrows the input and the function's name. */
msgpack_object schedule_input_value(const schedule_input *input);

/* Appends *started* of a run of the function for that point; its input lacks what .omit leaves out. False: no memory.
 */
bool schedule_encode_start(home *h, const struct endpoint *function, int64_t point_ms, msgpack_sbuffer *to);

#endif
