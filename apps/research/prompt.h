/* prompt: what the model is asked, within a budget of tokens: instructions, lines "Label: value", and blocks of data.
 * A block is a tag, a JSON value a line, and the tag's end; no text in it can end it, since each "<" in it is written
 * as JSON's \u003c. Tokens are counted by an estimate that is rather too high. */
#ifndef RESEARCH_PROMPT_H
#define RESEARCH_PROMPT_H

#include <stepwell.h>

typedef struct prompt {
    sw_ctx *c;
    sw_text text;
    int64_t left;     /* tokens; what is said must fit, what is data is offered */
    int64_t reserved; /* of these: for data that is offered later */
} prompt;

prompt prompt_new(sw_ctx *c, int64_t tokens);

/* Adds words of the program's own. */
void prompt_say(prompt *p, const char *format, ...) SW_PRINTF(2, 3);
/* Adds "label: value". Control characters become blanks; a value of more than a third of the tokens left is cut. */
void prompt_line(prompt *p, const char *label, const char *value);
void prompt_open(prompt *p, const char *tag);
void prompt_close(prompt *p, const char *tag);

/* Adds the value as a line of data. False: it does not fit, and nothing was added. */
bool prompt_offer(prompt *p, sw_value value);

/* The tokens of a value as a line of data, and of a text. */
int64_t prompt_cost(sw_ctx *c, sw_value value);
int64_t prompt_tokens(const char *words, size_t len);

/* The longest beginning of the text that costs at most so much, cut between characters. */
sw_value prompt_cut(sw_ctx *c, sw_value words, int64_t tokens);

#endif
