/* feed_reader: an operator who reads the feed (runtime/run/feed.h) as server-sent events. Owns its exchange until the
 * client goes or the loop drains. Looks at the ring at fixed times, so that nobody has to wake it. */
#ifndef RUNTIME_ADMIN_FEED_READER_H
#define RUNTIME_ADMIN_FEED_READER_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* Answers with the feed, or refuses the request; takes the exchange. */
void feed_reader_begin(home *h, http_exchange *x);

#endif
