/* function_name: which names a function may have. Pure. */
#ifndef RUNTIME_RUN_FUNCTION_NAME_H
#define RUNTIME_RUN_FUNCTION_NAME_H

#include <stdbool.h>

enum { FUNCTION_NAME_MAX = 128 };

/* The rule, for whoever breaks it; %d is FUNCTION_NAME_MAX. */
#define FUNCTION_NAME_RULE                                                                                             \
    "1 to %d bytes, segments of A-Z, a-z, 0-9, '_', '.' and '-' between single slashes, none of them \".\" or \"..\""

/* Whether the name is made of segments of letters, digits, '_', '.' and '-', none of them "." or "..", with a slash
 * between two of them: it is a part of a URL, in which no proxy changes it. */
bool function_name_is_good(const char *name);

#endif
