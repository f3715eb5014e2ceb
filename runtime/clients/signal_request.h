/* signal_request: one who sends a signal to a run, by HTTP. Owns the exchange from the question whether the signal can
 * be taken until it is on disk. Never wakes a run: the run's mailbox does (runtime/run/mailbox.h). On the thread of the
 * run's loop. */
#ifndef RUNTIME_CLIENTS_SIGNAL_REQUEST_H
#define RUNTIME_CLIENTS_SIGNAL_REQUEST_H

#include "http/server/server.h"
#include "storage/run_id.h"

struct home;

typedef struct signal_wish {
    const run_id *run;
    http_text name;
    const char *by; /* the operator who sends it, whose name lives as long as the home; NULL: a client, by the token */
} signal_wish;

/* Sends the body of the request, JSON or nothing, to the run. Takes the exchange: 202 when the signal is on disk, else
 * a problem that says why not. */
void signal_request_take(struct home *h, http_exchange *x, const signal_wish *wish);

#endif
