/* asked: the questions that runs ask, in the ledger: each has one URL, in every execution, and one answer: the first
 * that comes to the disk, of which everybody is told who answers later. */
#ifndef TESTS_SIMULATION_ASKED_H
#define TESTS_SIMULATION_ASKED_H

#include "storage/entry.h"
#include "tests/simulation/world.h"

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

/* A letter that answers a question is on disk: no other answer may be. */
void asked_answered(int16_t signal);
/* Somebody has answered, and has what he was told; c->status 0: nothing. */
void asked_told(const client *c, const run_record *r);

#endif
