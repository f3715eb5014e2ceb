/* signal_request: one who sends a signal to a run, by HTTP. Owns the exchange from the question whether the signal can
 * be taken until it is on disk. Never wakes a run: the run's mailbox does (runtime/run/mailbox.h). On the thread of the
 * run's loop. */
#ifndef RUNTIME_CLIENTS_SIGNAL_REQUEST_H
#define RUNTIME_CLIENTS_SIGNAL_REQUEST_H

#include "http/server/server.h"
#include "runtime/run/away.h"
#include "runtime/run/mailbox.h"
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

/* ---- For those who answer questions (runtime/clients/question_request.h) ---- */

enum { SIGNAL_WHY_BYTES = 160 };

extern const char signal_run_has_ended[];

/* Why no signal is taken at present, whichever run it is for. */
typedef struct signal_refusal {
    int status;
    const char *retry_after; /* static; NULL: none */
    char text[SIGNAL_WHY_BYTES];
} signal_refusal;
bool signal_is_refused(const struct home *h, size_t bytes, signal_refusal *why);
/* Says why a run of another node takes none. */
void signal_tell_away(const struct home *h, away_answer answer, signal_refusal *why);
/* Says why a mailbox is full. */
void signal_tell_limit(const struct home *h, mailbox_answer answer, char why[SIGNAL_WHY_BYTES]);
/* Reads the request's JSON into `packed`, nil if there is none. False: the exchange has its answer. */
bool signal_read_body(struct home *h, http_exchange *x, msgpack_sbuffer *packed, bool *is_string);

#endif
