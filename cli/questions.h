/* questions: what a run asks of people, and what it has told other runs, as tables. Owns nothing. */
#ifndef CLI_QUESTIONS_H
#define CLI_QUESTIONS_H

#include "cli/cli.h"
#include "runtime/stepwell.h"

/* Prints the questions of a run's document, behind an empty line; nothing of a run that has asked none. */
void questions_show(cli *c, sw_value run);

/* The signal that the step has sent and the run that it is for, as one cell; "" of a step that has sent none. */
const char *questions_sent(cli *c, sw_value step);

#endif
