/* waiter: a client attached to a run: its exchange and how it wants the answer. Owns the exchange until it has ended
 * it. Lives on the run's loop, in the list of the run, or of its slot while the run is not in memory, or of the loop's
 * readers: stream clients that are still reading after the run is over. */
#ifndef RUNTIME_CLIENTS_WAITER_H
#define RUNTIME_CLIENTS_WAITER_H

#include "http/server/server.h"
#include "runtime/clients/request_wish.h"
#include "runtime/run/frames.h"
#include "runtime/run/run.h"
#include "runtime/run/stop.h"

struct kept_client;
struct keep_entry;

typedef struct waiter waiter;

/* Attaches a client. Takes the exchange; answers 503 itself when memory is out. Where that would be too late, since
 * what is waited for has begun by then, the waiter is made before: NULL: no memory. It then joins, or is given up. */
waiter *waiter_new(struct home *h, const request_wish *asked);
void waiter_join(waiter *w, waiter **list, http_exchange *x, const run_id *id);
void waiter_give_up(waiter *w);
void waiter_attach(struct home *h, waiter **list, const request_wish *asked, http_exchange *x, const run_id *id);

/* Whether such a client waits for the answer of a request of its own. */
bool waiter_asks(const request_wish *asked);
/* Attaches a client that a former worker had. Takes the exchange. */
void waiter_take_back(struct home *h, http_exchange *x, const request_wish *asked, const struct kept_client *client);
/* A client was sent on, and had gone before: the note is that of http_exchange_note. */
void waiter_missed(struct home *h, const uint8_t note[HTTP_NOTE_BYTES]);
/* A client that a former worker had, whose connection has ended before it could be taken over. */
void waiter_lost(struct home *h, const struct kept_client *client);

typedef enum waiter_keep_result { WAITER_KEEP_DONE, WAITER_KEEP_LATER } waiter_keep_result;
/* For the keeper: this client has waited for long enough to be kept. */
waiter_keep_result waiter_keep(struct keep_entry *e);
/* Takes the connections of these clients back from the supervisor, before they are told what is not in the journal yet:
 * a next process could not tell them that. False: the supervisor cannot be told of all of them now. */
bool waiter_unkeep(waiter **list);

/* All clients of one list go to another, empty one. */
void waiter_move(waiter **from, waiter **to);
/* Async clients, who get a URL of the run, go to another list. */
void waiter_move_async(waiter **from, waiter **to);

/* The run is on disk, in memory or not: async clients get their 202. */
void waiter_accept(waiter **list);
/* Something of a run in memory became durable: streams get what is new, async clients their 202. `f` NULL: the run has
 * streamed nothing yet, whatever its clients say they have. */
void waiter_pump(waiter **list, frames *f);

/* Nothing of the run begins: streams get what it has streamed and are told, and with `refuses` the output URL answers
 * with the reason: waiting does not help. All others wait, or are sent on as for a long run. */
void waiter_stopped(waiter **list, const stop_cause *why, bool refuses);
/* The release is on disk: whoever asked for one is told. */
void waiter_released(waiter **list);
/* Whoever asked for this (WAITER_CANCEL, WAITER_RELEASE) gets 202: it will be done, also by a later process. */
void waiter_promise(waiter **list, waiter_kind kind);
/* Whoever asked for this (WAITER_CANCEL, WAITER_RELEASE) cannot have it: gets a problem. */
void waiter_deny(waiter **list, waiter_kind kind, int status, const char *detail);

/* The run is over: everybody gets the response, the list is empty. `f` NULL: no stream is among them or nothing was
 * streamed; else it is closed. */
void waiter_answer(struct home *h, waiter **list, const run_id *id, const entry *response, entry_ended ended,
                   frames *f);

/* Gives everybody the response out of the journal of an ended run. *error says why it could not be; NULL: it was. */
void waiter_answer_journal(struct home *h, waiter **list, const run_id *id, const char *data, size_t len,
                           const char **error);

/* Nobody in the list waits for the answer of a request of its own; who asks for a URL of the run, or wants it
 * cancelled, does not. */
bool waiter_none(const waiter *list);

/* WAITER_REQUEST clients get 303 to the output URL. */
void waiter_redirect(waiter **list);
/* The process stops: those whose connections are kept are left to the next one, if one follows; the others are sent on,
 * and streams end after redirect_info. */
void waiter_dismiss(waiter **list);
/* The process is replaced: of runs that are over, readers whose connections can be kept go on with the next one, the
 * others here. */
void waiter_leave_readers(struct home *h);
/* Nothing can be known of the run: everybody gets this problem. */
void waiter_refuse(waiter **list, int status, const char *detail);
/* The process ends, and nobody knows what became of the run: connections are cut, as if the process had died. */
void waiter_cut(waiter **list);

#endif
