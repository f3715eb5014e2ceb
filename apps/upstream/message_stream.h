/* message_stream: an answer as server-sent events, token by token, as the Messages API sends them. */
#ifndef UPSTREAM_MESSAGE_STREAM_H
#define UPSTREAM_MESSAGE_STREAM_H

#include "apps/upstream/message_answer.h"
#include "apps/upstream/sim.h"

/* Writes the whole stream, or the part of it that the call's fault leaves, and ends the call in the log. */
void message_stream_write(sim_call *call, const message_request *r, const message_answer *a);

#endif
