/* option_set: the flags that a program takes, the library's own and those of sw_flag, and what was given for them. Owns
 * the texts of the program's own flags; borrows arguments and environment. A flag --name VALUE (or --name=VALUE) beats
 * the environment variable STEPWELL_NAME, which beats the flag's fallback. */
#ifndef RUNTIME_PROCESS_OPTION_SET_H
#define RUNTIME_PROCESS_OPTION_SET_H

#include <stdio.h>

#include "runtime/base/options.h"

typedef struct option_set option_set;

option_set *option_set_new(void); /* with the library's flags; NULL: out of memory */
void option_set_free(option_set *o);

/* A flag of the program's own, as sw_flag was called. */
typedef struct own_flag {
    const char *name;       /* anything, until option_set_add has looked */
    const char *value_name; /* NULL: a switch */
    const char *fallback;   /* NULL: none */
    const char *help;       /* NULL: "" */
} own_flag;

/* Copies the flag. False with a message in `error`: there may be no such flag, or there is no memory. */
bool option_set_add(option_set *o, const own_flag *own, char *error, size_t error_size);

/* OPTIONS_VERSION: all flags are right, and the version was asked for: so a supervisor tries a new program. */
typedef enum options_result { OPTIONS_OK, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_WRONG } options_result;

/* Reads environment and arguments into *out. OPTIONS_WRONG with a message in `error` that names the flag and what it
 * takes, or the flag whose name is nearest. */
options_result option_set_read(option_set *o, int argc, char **argv, sw_options *out, char *error, size_t error_size);

/* The value of the flag; NULL: it has none, or there is no such flag. */
const char *option_set_value(const option_set *o, const char *name);

/* Prints --help. */
void option_set_help(const option_set *o, const char *program, FILE *to);

#endif
