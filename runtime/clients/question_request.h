/* question_request: one who looks at a question of a run, or answers it, by the question's URL (sw_signal_url). Owns
 * the exchange from the question's journal being read until the answer is on disk. The first answer counts, whoever
 * sends others: those who answer one question come one after the other. Nothing but a JSON POST, and a form that the
 * page has made, decides. On the thread of the run's loop.
 *
 *     reads the inbox, then the journal --open, and this is an answer--> writes the letter --> tells what was decided
 *                                        \--else---------------------------------------------^
 */
#ifndef RUNTIME_CLIENTS_QUESTION_REQUEST_H
#define RUNTIME_CLIENTS_QUESTION_REQUEST_H

#include "http/server/server.h"
#include "storage/run_id.h"

struct home;

typedef struct question_wish {
    const run_id *run;
    uint64_t question; /* its path */
    http_text signal;  /* the name of its signal, as the URL has it */
    const char *by;    /* the operator who answers, whose name lives as long as the home; NULL: who has the URL */
} question_wish;

/* Reads which question an operator answers: ?question=, the path; 0: the request has none, and is a signal. What is no
 * path is refused: without its question the answer would go to the first wait of the name. False: the exchange has its
 * answer. */
bool question_request_path(http_exchange *x, uint64_t *question);

/* Takes the exchange. GET and HEAD show the page; a POST of a form answers as the page, any other POST as JSON: 202
 * when the answer is on disk, 200 if there was one before, both with the decision; else a problem that says why not. A
 * form that decides nothing gets the page again, with 400. Looks at a few questions at once: a journal may be long. */
void question_request_take(struct home *h, http_exchange *x, const question_wish *wish);

#endif
