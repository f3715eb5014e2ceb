/* function: how the run of a function (sw_function) is executed: what is the handler of an endpoint's run is here the
 * call of the function with the run's input. Owns nothing. */
#ifndef RUNTIME_API_FUNCTION_H
#define RUNTIME_API_FUNCTION_H

#include "runtime/stepwell.h"

/* The handler of each function's endpoint. What the function returns becomes the run's response. */
void function_handler(sw_ctx *c);

/* Refuses `called`, which belongs to a request, in the run of a function. `instead`: what to do there. */
void function_refuse(sw_ctx *c, const char *called, const char *instead);

#endif
