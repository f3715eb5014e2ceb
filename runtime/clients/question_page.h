/* question_page: what a person sees of a question, as HTML: its text, a form to answer it, or what became of it. Works
 * without scripts, on any screen, with the keyboard alone. All texts are escaped, since models write them. Owns
 * nothing. */
#ifndef RUNTIME_CLIENTS_QUESTION_PAGE_H
#define RUNTIME_CLIENTS_QUESTION_PAGE_H

#include "http/server/server.h"
#include "runtime/run/question.h"

typedef struct question_page {
    const char *app;             /* who asks */
    const question_asked *asked; /* NULL: there is nothing to show of the question */
    const char *form;            /* the form's value (run_token_make_form); NULL: no form */
    const char *note;            /* a sentence above the form, or in its place; NULL: none */
    http_text answer;            /* what was answered; data NULL: nothing */
    http_text typed;             /* the answer that was sent, and not taken: it is in the form, or below the note */
    const char *retry_after;     /* seconds, when asking again may help; NULL: it does not */
} question_page;

/* For a person whose answer was not taken, for reasons that pass. */
extern const char question_not_saved[];

/* Ends the exchange with the page. */
void question_page_reply(http_exchange *x, int status, const question_page *page);

/* Ends the exchange with a page that has this sentence alone. */
void question_page_refuse(http_exchange *x, int status, const char *app, const char *note);

#endif
