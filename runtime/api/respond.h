/* respond: how the library itself replies for a handler. Owns nothing. */
#ifndef RUNTIME_API_RESPOND_H
#define RUNTIME_API_RESPOND_H

#include "runtime/stepwell.h"

/* Makes the value that a function returned its run's response: 200, as JSON. */
void respond_result(sw_ctx *c, sw_value result);

#endif
