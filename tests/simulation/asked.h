/* asked: the questions that runs ask, in the ledger: each has one URL, in every execution, and one answer: the first
 * that comes to the disk, of which everybody is told who answers later. */
#ifndef TESTS_SIMULATION_ASKED_H
#define TESTS_SIMULATION_ASKED_H

#include <msgpack.h>

#include "storage/entry.h"
#include "tests/simulation/world.h"

enum {
    ASKED_CHOICE_MAX = 24,
    ASKED_BODY_MAX = QUESTION_URL + 64,
    ASKED_FORM_OLD_MS = 3600000 - 1000,
    ASKED_FORM_DEAD_MS = 3600000 + 2000
};

/* The text of one of the question's choices, from 1: that of no other question. */
const char *asked_choice(const run_record *r, int op, int number, char out[ASKED_CHOICE_MAX]);
/* The handler has the URL. */
void asked_by_handler(run_record *r, int op, const char *url);
/* An entry *value* that is a question's. */
bool asked_is(const entry *e);
/* The operation of such an entry; NO_OP: none. */
int asked_op(const run_record *r, const entry *e);
/* What is wrong with it; NULL: nothing. */
const char *asked_take(run_record *r, const entry *e);

/* The question of that name that the run has asked, and that can be answered at its URL. 0: there is none. */
unsigned asked_question(const run_record *r, char name);
/* One of the run's questions, answered or not: its name. 0: there is none. */
char asked_name(const run_record *r);
/* It is the name of a question, asked or not. */
bool asked_has(const run_record *r, char name);

/* The new signal answers its question with a choice, if that has any, or with none of these, by the page's form or
 * without it. Returns its number, or that of an earlier one, when each choice has had its signal. */
int16_t asked_draw(int16_t signal);
/* What comes first of what has to be asked to send the signal c->signal. */
client_target asked_first(const client *c);
/* Where the question is that the signal answers. */
const char *asked_path(int16_t signal);
/* The body that answers it. Returns its Content-Type. */
const char *asked_body(const client *c, char out[ASKED_BODY_MAX]);
/* The number of the signal with this value; 0: there is none. */
uint64_t asked_number(const msgpack_object *value);

/* A letter that answers a question is on disk: no other answer may be. */
void asked_answered(int16_t signal);
/* Somebody has answered, and has what he was told; c->status 0: nothing. */
void asked_told(const client *c, const run_record *r);
/* Somebody has loaded the question's page. */
void asked_page_told(client *c, const run_record *r);

#endif
