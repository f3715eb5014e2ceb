/* duration_text: the histograms of all loops as text for Prometheus. Owns nothing. */
#ifndef RUNTIME_OBSERVE_DURATION_TEXT_H
#define RUNTIME_OBSERVE_DURATION_TEXT_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

struct sw_app;

/* Appends all of them. *others becomes how many durations have found no series of their own. False: no memory. */
bool duration_text_write(msgpack_sbuffer *to, const struct sw_app *app, uint64_t *others);

#endif
