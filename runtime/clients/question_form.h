/* question_form: what a request sends to a question: a form, or JSON. Owns the answer that was read. */
#ifndef RUNTIME_CLIENTS_QUESTION_FORM_H
#define RUNTIME_CLIENTS_QUESTION_FORM_H

#include <msgpack.h>

#include "http/server/server.h"
#include "runtime/run/question.h"
#include "runtime/run/run_token.h"

struct home;

enum { FORM_WHY_BYTES = 160 };

typedef struct question_form {
    bool is_page;           /* a person's browser asks: the reply is a page */
    bool answers;           /* else the question is shown, and nothing decided */
    bool is_string;         /* of `packed`: else the answer is none of any choices */
    int status;             /* of the page, if a form was sent that was not taken */
    const char *note;       /* static: why it was not taken, for who sent it; NULL: none was sent */
    msgpack_sbuffer packed; /* the answer */
    msgpack_sbuffer typed;  /* the form's text, which a page that refuses it has again */
} question_form;

/* Reads the request. `seen`: the run and the question, whose page has made a form that counts. False: the exchange has
 * its answer. */
bool question_form_read(question_form *f, struct home *h, http_exchange *x, const run_token_form *seen);
/* Reads the request of an operator, whose body is JSON whatever its Content-Type: likewise. */
bool question_form_read_json(question_form *f, struct home *h, http_exchange *x);
void question_form_free(question_form *f);

/* Whether the answer is one of the question's choices, if it has any. False: `why` has a sentence. */
bool question_form_fits(const question_form *f, const question_asked *asked, char why[FORM_WHY_BYTES]);

#endif
