/* waiter: a client attached to a run, with how it wants the answer. Owns its exchange, which it ends or gives away.
 * Lives on the run's loop and in one list: the run's, the slot's while the run is not in memory, or the home's readers:
 * stream clients that are still reading when the run is over. Never decides what a run does. */
#ifndef RUNTIME_CLIENTS_WAITER_H
#define RUNTIME_CLIENTS_WAITER_H

#include "http/server/server.h"
#include "runtime/clients/request_wish.h"
#include "runtime/run/frames.h"
#include "runtime/run/run.h"
#include "runtime/run/stop.h"
#include "storage/store.h"

struct kept_client;
struct keep_entry;

typedef struct waiter waiter;

/* Attaches a client to the list. Takes the exchange, and answers it with 503 when memory is out. */
void waiter_attach(struct home *h, waiter **list, const request_wish *asked, http_exchange *x, const run_id *id);
/* Attach a client whose run has yet to begin, in two steps: a waiter is made first, since without memory for one (NULL)
 * the run must not begin. It then joins the list and takes the exchange, or is given up. */
waiter *waiter_new(struct home *h, const request_wish *asked);
void waiter_join(waiter *w, waiter **list, http_exchange *x, const run_id *id);
void waiter_give_up(waiter *w);

/* Whether a client with this wish waits for the answer of a request of its own. */
bool waiter_asks(const request_wish *asked);
/* Attaches a client that a former worker had. Takes the exchange. */
void waiter_take_back(struct home *h, http_exchange *x, const request_wish *asked, const struct kept_client *client);
/* Tells the run that a client which was sent on had gone before that; `note` is that of http_exchange_set_missed_note.
 */
void waiter_report_missed(struct home *h, const uint8_t note[HTTP_MISSED_NOTE_BYTES]);
/* Tells the run of a client that a former worker had, whose connection ended before it could be taken over. */
void waiter_report_lost(struct home *h, const struct kept_client *client);

typedef enum waiter_keep_result { WAITER_KEEP_DONE, WAITER_KEEP_LATER } waiter_keep_result;
/* Has the client's connection kept, now that it has waited for --keep-after. LATER: not possible yet. */
waiter_keep_result waiter_keep(struct keep_entry *e);
/* Takes the connections of these clients back from the supervisor, before they are told what is not in the journal yet:
 * a next process could not tell them that. False: the supervisor cannot be told of all of them now. */
bool waiters_unkeep(waiter **list);

/* Moves all clients of one list to another, empty one. */
void waiters_move(waiter **from, waiter **to);
/* Moves async clients, who get a URL of the run, to another list. */
void waiters_move_async(waiter **from, waiter **to);

/* Gives async clients their 202, since the run is on disk, in memory or not. */
void waiters_accept(waiter **list);
/* Gives streams what has become durable, and async clients their 202. `f` NULL: the run has streamed nothing yet,
 * whatever its clients say they have. */
void waiters_pump(waiter **list, frames *f);

/* Tells clients that the run stands still: streams get what it has streamed and an event, clients of the output URL the
 * reason, if it `refuses` (waiting does not help). All others wait on, or are sent on as for a long run. */
void waiters_tell_stopped(waiter **list, const stop_cause *why, bool refuses);
/* Tells the clients of this kind (waiter_kind_steers) that what they asked for is done: its entry is on disk. */
void waiters_tell_done(waiter **list, waiter_kind kind);
/* Gives 202 to the clients of this kind: what they asked for will be done, also by a later process. */
void waiters_promise(waiter **list, waiter_kind kind);
/* Gives a problem to the clients of this kind: what they asked for is not done. */
void waiters_deny(waiter **list, waiter_kind kind, int status, const char *detail);

/* What has come of a run that is over. */
typedef struct run_result {
    const entry *response;
    entry_ended ended;
    frames *frames; /* what it has streamed; NULL: nothing, or no stream is among the clients */
} run_result;

/* Gives everybody the response of a run that is over, with which its frames are closed; the list is empty afterwards.
 */
void waiters_answer(struct home *h, waiter **list, const run_id *id, const run_result *result);

/* Gives everybody the response out of the journal of an ended run. *error says why that failed, and the list stays as
 * it was; NULL: everybody is answered. */
void waiters_answer_journal(struct home *h, waiter **list, const store_journal *journal, const char **error);

/* Whether nobody in the list waits for the answer of a request of its own. A client that came to a URL of the run, or
 * wants the run cancelled, does not. */
bool waiters_none_asks(const waiter *list);

/* Gives WAITER_REQUEST clients 303 to the output URL. */
void waiters_redirect(waiter **list);
/* Parts with all clients as the process stops: if a next one follows, kept connections are left to it; other clients
 * are sent on, and streams end after redirect_info. */
void waiters_dismiss(waiter **list);
/* Leaves the readers of runs that are over to the process that replaces this one, where their connections can be kept;
 * the other readers read on here. */
void waiters_leave_readers(struct home *h);
/* Gives everybody this problem: nothing can be known of the run. */
void waiters_refuse(waiter **list, int status, const char *detail);
/* Cuts all connections, as if the process had died: it ends, and nobody knows what became of the run. */
void waiters_cut(waiter **list);

#endif
