/* metrics_page: what all loops have counted, how long things took, and how much there is at the moment, for Prometheus
 * (text format 0.0.4). Owns nothing: reads the homes of all loops while these work, so that values of one page need not
 * fit each other. */
#ifndef RUNTIME_OBSERVE_METRICS_PAGE_H
#define RUNTIME_OBSERVE_METRICS_PAGE_H

#include <msgpack.h>
#include <stdbool.h>

struct sw_app;

/* Appends the page; from any thread, until loop_free. False: no memory, and a part may have been written. */
bool metrics_page_write(msgpack_sbuffer *to, const struct sw_app *app);

#endif
