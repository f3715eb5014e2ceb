/* auth: who may ask something of the admin API, and what: an operator with the token of --token as bearer token, or,
 * with --dev, whoever asks from this machine (dev.h). Owns nothing. */
#ifndef RUNTIME_ADMIN_AUTH_H
#define RUNTIME_ADMIN_AUTH_H

#include "http/server/server.h"
#include "runtime/clients/operators.h"
#include "runtime/run/home.h"

/* Returns the operator who asks, if `needed` is among the operator's scopes; valid as long as the home. `does` says
 * for what it is needed: "cancelling a run". NULL: the client is refused, and the exchange has its answer. */
const operator_entry *auth_admits(home *h, http_exchange *x, operator_scope needed, const char *does);

/* Logs, once in a while, that a client has sent what opens nothing: "a token", "a code". Never the thing itself. */
void auth_tell_stranger(const http_request *q, const char *what);

/* Whether a request to --admin-listen is meant for it, and made by no page of another site; true of other requests.
 * False: it is refused, and the exchange has its answer. */
bool auth_admits_site(const home *h, http_exchange *x);

#endif
